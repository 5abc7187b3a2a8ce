using System.CommandLine;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Leases;

/// <summary><c>nvmig lease policy</c>: shows and sets what holds for all queues.</summary>
internal static class PolicyCommand
{
    private static readonly Option<TimeSpan?> VictimDelay = Durations.Option(
        "--victim-delay", "How long a claim waits before others are told to go for it.");

    private static readonly Option<TimeSpan?> Notice = Durations.Option(
        "--notice", "How long before it is asked to end the program of a lease that is taken back goes on.");

    private static readonly Option<TimeSpan?> Grace = Durations.Option(
        "--grace", "How long after that it may take to end.");

    private static readonly Option<bool?> Reuse = new("--reuse-across-users")
    {
        Description = "Whether an instance can go to another user without being made anew: true or false. What the driver clears between "
            + "two users of an instance is not documented.",
        HelpName = "BOOL",
    };

    private static readonly Option<TimeSpan?> KeepRoom = new("--keep-room-after")
    {
        Description = "How long a claim waits before what comes free is kept for it, so that small claims do not pass a large one without "
            + "end; or never.",
        HelpName = "TIME",
        CustomParser = argument => argument.Tokens is [{ Value: "never" }] ? Timeout.InfiniteTimeSpan : Durations.Parse(argument),
    };

    private static readonly Option<bool?> WholeGpus = new("--whole-gpus")
    {
        Description = "Whether GPUs with MIG disabled are leased too, whole as the profile gpu or in fractions: true or false.",
        HelpName = "BOOL",
    };

    public static Command Build() => LeaseCommand.Command(
        "policy", "Show what holds for all queues, and set it.", [VictimDelay, Notice, Grace, Reuse, KeepRoom, WholeGpus], RunAsync);

    private static async Task<int> RunAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        PolicyEntry was = (await leases.ReadAsync(usage: false, cancellationToken)).Policy;
        PolicyEntry policy = new(
            parsed.GetValue(VictimDelay)?.TotalSeconds ?? was.VictimDelaySeconds,
            parsed.GetValue(Notice)?.TotalSeconds ?? was.NoticeSeconds,
            parsed.GetValue(Grace)?.TotalSeconds ?? was.GraceSeconds,
            parsed.GetValue(Reuse) ?? was.ReuseAcrossUsers,
            parsed.GetValue(KeepRoom) is { } keep ? keep < TimeSpan.Zero ? null : keep.TotalSeconds : was.KeepRoomAfterSeconds,
            parsed.GetValue(WholeGpus) ?? was.WholeGpus);
        if (policy != was)
            await leases.SetPolicyAsync(policy, cancellationToken);
        if (machine.Json)
        {
            Documents.Print(new PolicyDocument(policy, null));
            return ExitCodes.Success;
        }

        Terminal.WriteLine($"A claim waits {Format(policy.VictimDelaySeconds)} before others are told to go for it.");
        Terminal.WriteLine($"They have {Format(policy.NoticeSeconds)} of notice, and {Format(policy.GraceSeconds)} to end after it.");
        Terminal.WriteLine(policy.ReuseAcrossUsers
            ? "An instance can go from one user to another as it is."
            : "An instance is made anew for another user.");
        Terminal.WriteLine(policy.KeepRoomAfterSeconds is { } after
            ? $"For a claim that has waited {Format(after)}, what comes free is kept."
            : "Small claims can pass a large one without end.");
        Terminal.WriteLine(policy.WholeGpus
            ? "GPUs with MIG disabled are leased too, unless processes use them without a lease."
            : "GPUs with MIG disabled are left alone.");
        return ExitCodes.Success;
    }

    private static string Format(double seconds) => Durations.Format(TimeSpan.FromSeconds(seconds));
}
