using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Queues;

/// <summary><c>nvmig queue</c>: lists, sets and deletes the queues of leases.</summary>
internal static class QueueCommand
{
    private static readonly Argument<string> Name = new("name") { Description = "The name of the queue." };

    private static readonly Option<string?> Parent = new("--parent")
    {
        Description = "The queue that it is a part of.",
        HelpName = "QUEUE",
    };

    private static readonly Option<SlicesOrNone?> Quota = SlicesOption(
        "--quota", "What it can always have, and claim back: compute and memory slices, such as 4,4; none: whatever it asks for.");

    private static readonly Option<SlicesOrNone?> Limit = SlicesOption("--limit", "What it can have at most; none: without end.");

    private static readonly Option<SlicesOrNone?> LendingLimit = SlicesOption(
        "--lending-limit", "How much of its quota others can have while it does not use it; none: all of it.");

    private static readonly Option<int?> Weight = new("--weight")
    {
        Description = "Its part of what is left above the quotas, in relation to others.",
        HelpName = "N",
    };

    private static readonly Option<int?> Priority = new("--priority")
    {
        Description = "What is left above the quotas goes to higher first.",
        HelpName = "N",
    };

    private static readonly Option<IdlePolicy?> Idle = new("--idle")
    {
        Description = "What happens to idle leases, without process or activity: keep, reclaimable (as if preemptible) or release.",
        HelpName = "POLICY",
    };

    private static readonly Option<TimeSpan?> IdleAfter = Durations.Option(
        "--idle-after", "How long without a process, or without activity, is idle.");

    public static Command Build() => new("queue", "The queues that leases are shared out between.")
    {
        LeaseCommand.Command("list", "List the queues: quota, fair share, and what they have.", [], ListAsync, changes: false),
        LeaseCommand.Command(
            "set",
            "Enter a queue, or change what is named of it.",
            [Name, Quota, Limit, LendingLimit, Weight, Priority, Parent, Idle, IdleAfter],
            SetAsync),
        LeaseCommand.Command("delete", "Delete a queue that has no leases, claims and children.", [Name], DeleteAsync),
    };

    private static Option<SlicesOrNone?> SlicesOption(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "COMPUTE,MEMORY",
        CustomParser = Parse,
    };

    private static async Task<int> ListAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken) =>
        Print(machine, await leases.ReadAsync(usage: false, cancellationToken), null);

    private static async Task<int> SetAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        string name = parsed.GetValue(Name)!;
        QueueEntry? was = (await leases.ReadAsync(usage: false, cancellationToken)).Queues.FirstOrDefault(q => q.Name == name);
        QueueRequest unset = new();
        await leases.SetQueueAsync(
            name,
            new QueueRequest
            {
                Parent = parsed.GetValue(Parent) ?? was?.Parent,
                Quota = parsed.GetValue(Quota) is { } quota ? quota.Value : was?.Quota,
                Limit = parsed.GetValue(Limit) is { } limit ? limit.Value : was?.Limit,
                LendingLimit = parsed.GetValue(LendingLimit) is { } lending ? lending.Value : was?.LendingLimit,
                Weight = parsed.GetValue(Weight) ?? was?.Weight ?? unset.Weight,
                Priority = parsed.GetValue(Priority) ?? was?.Priority ?? unset.Priority,
                Idle = parsed.GetValue(Idle) ?? was?.Idle ?? unset.Idle,
                IdleAfterSeconds = parsed.GetValue(IdleAfter)?.TotalSeconds ?? was?.IdleAfterSeconds ?? unset.IdleAfterSeconds,
            },
            cancellationToken);
        return Print(machine, await leases.ReadAsync(usage: false, cancellationToken), name);
    }

    private static async Task<int> DeleteAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        await leases.DeleteQueueAsync(parsed.GetValue(Name)!, cancellationToken);
        return Print(machine, await leases.ReadAsync(usage: false, cancellationToken), null);
    }

    private static int Print(Machine machine, StandDocument stand, string? only)
    {
        QueueEntry[] queues = [.. stand.Queues.Where(q => only is null || q.Name == only)];
        if (machine.Json)
        {
            Documents.Print(new QueuesDocument(queues, null));
            return ExitCodes.Success;
        }

        TextTable table = new("Queue", "Parent", ">Quota", ">Limit", ">Weight", ">Priority", ">Fair share", ">Has", ">Wants", "Idle");
        foreach (QueueEntry q in queues)
        {
            table.Add(
                q.Name,
                q.Parent ?? "",
                Format(q.Quota),
                Format(q.Limit),
                Format(q.Weight),
                Format(q.Priority),
                Format(q.FairShare),
                Format(q.Allocated),
                Format(q.Requested),
                q.Idle == IdlePolicy.Keep
                    ? ""
                    : $"{q.Idle.ToString().ToLowerInvariant()} after {Durations.Format(TimeSpan.FromSeconds(q.IdleAfterSeconds))}");
        }

        Terminal.Write(table);
        Terminal.WriteLine("Quota, limit and shares are compute and memory slices.");
        return ExitCodes.Success;
    }

    private static string Format(SlicesEntry? slices) =>
        slices is null ? "none" : string.Create(CultureInfo.InvariantCulture, $"{slices.Compute},{slices.Memory}");

    private static string Format(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static SlicesOrNone? Parse(ArgumentResult argument)
    {
        string text = argument.Tokens is [{ Value: var value }] ? value : "";
        if (text == "none")
            return new SlicesOrNone(null);
        if (text.Split(',') is [var compute, var memory]
            && int.TryParse(compute, NumberStyles.None, CultureInfo.InvariantCulture, out int c)
            && int.TryParse(memory, NumberStyles.None, CultureInfo.InvariantCulture, out int m))
            return new SlicesOrNone(new SlicesEntry(c, m));
        argument.AddError($"'{text}' is no amount: write compute and memory slices, such as 4,4, or none.");
        return null;
    }

    /// <summary>A value that was named, where none is one too.</summary>
    private sealed record SlicesOrNone(SlicesEntry? Value);
}
