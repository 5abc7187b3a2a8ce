using System.CommandLine;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

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

    public static Command Build() => LeaseCommand.Command(
        "policy", "Show what holds for all queues, and set it.", [VictimDelay, Notice, Grace, Reuse, KeepRoom], RunAsync);

    private static async Task<int> RunAsync(
        ParseResult parsed, LeaseManager manager, Machine machine, CancellationToken cancellationToken)
    {
        SchedulerOptions was = (await manager.ReadAsync(cancellationToken)).Policy;
        SchedulerOptions policy = was with
        {
            VictimDelay = parsed.GetValue(VictimDelay) ?? was.VictimDelay,
            Notice = parsed.GetValue(Notice) ?? was.Notice,
            Grace = parsed.GetValue(Grace) ?? was.Grace,
            ReuseAcrossUsers = parsed.GetValue(Reuse) ?? was.ReuseAcrossUsers,
            KeepRoomAfter = parsed.GetValue(KeepRoom) is { } keep ? keep < TimeSpan.Zero ? null : keep : was.KeepRoomAfter,
        };
        if (policy != was)
            await manager.SetPolicyAsync(policy, cancellationToken);
        PolicyEntry entry = new(
            policy.VictimDelay.TotalSeconds,
            policy.Notice.TotalSeconds,
            policy.Grace.TotalSeconds,
            policy.ReuseAcrossUsers,
            policy.KeepRoomAfter?.TotalSeconds);
        if (machine.Json)
        {
            Documents.Print(new PolicyDocument(entry, null));
            return ExitCodes.Success;
        }

        Terminal.WriteLine($"A claim waits {Durations.Format(policy.VictimDelay)} before others are told to go for it.");
        Terminal.WriteLine($"They have {Durations.Format(policy.Notice)} of notice, and {Durations.Format(policy.Grace)} to end after it.");
        Terminal.WriteLine(policy.ReuseAcrossUsers
            ? "An instance can go from one user to another as it is."
            : "An instance is made anew for another user.");
        Terminal.WriteLine(policy.KeepRoomAfter is { } after
            ? $"For a claim that has waited {Durations.Format(after)}, what comes free is kept."
            : "Small claims can pass a large one without end.");
        return ExitCodes.Success;
    }
}
