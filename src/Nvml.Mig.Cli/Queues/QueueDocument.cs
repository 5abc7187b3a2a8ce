using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Cli.Queues;

/// <summary>The document of the commands on queues.</summary>
internal sealed record QueuesDocument(IReadOnlyList<QueueEntry> Queues, ErrorEntry? Error);

internal sealed record QueueEntry(
    string Name,
    string? Parent,
    SlicesEntry? Quota,
    SlicesEntry? Limit,
    SlicesEntry? LendingLimit,
    int Weight,
    int Priority,
    string Idle,
    double IdleAfterSeconds,
    SlicesEntry Allocated,
    SlicesEntry NonPreemptible,
    SlicesEntry Requested,
    SlicesEntry FairShare)
{
    public static QueueEntry From(QueueShare share) => new(
        share.Queue.Name,
        share.Queue.Parent,
        SlicesEntry.FromOptional(share.Queue.Quota),
        SlicesEntry.FromOptional(share.Queue.Limit),
        SlicesEntry.FromOptional(share.Queue.LendingLimit),
        share.Queue.Weight,
        share.Queue.Priority,
        share.Queue.Idle.ToString(),
        share.Queue.IdleAfter.TotalSeconds,
        SlicesEntry.From(share.Allocated),
        SlicesEntry.From(share.NonPreemptible),
        SlicesEntry.From(share.Requested),
        SlicesEntry.From(share.FairShare));
}

internal sealed record SlicesEntry(long Compute, long Memory)
{
    public static SlicesEntry From(Slices slices) => new(slices.Compute, slices.Memory);

    public static SlicesEntry? FromOptional(Slices? slices) => slices is { } some ? From(some) : null;
}
