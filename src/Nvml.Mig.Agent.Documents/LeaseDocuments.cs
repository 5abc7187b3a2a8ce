using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Agent.Documents;

// Members have the names that they have in the documents of nvmig --json.

/// <summary>One lease.</summary>
internal sealed record LeaseDocument(LeaseEntry Lease);

/// <summary>The leases.</summary>
internal sealed record LeasesDocument(IReadOnlyList<LeaseEntry> Leases);

/// <summary>The result of a claim: a lease, or why it waits.</summary>
internal sealed record ClaimDocument(LeaseEntry? Lease, WaitingClaimEntry? Waiting);

/// <summary>The claims that wait.</summary>
internal sealed record WaitingDocument(IReadOnlyList<WaitingClaimEntry> Waiting);

/// <summary>The instances that were destroyed.</summary>
internal sealed record ClearDocument(IReadOnlyList<LeasedInstanceEntry> Destroyed);

internal sealed record LeaseEntry(
    string Id,
    long Generation,
    string BootId,
    string Queue,
    uint Uid,
    string? Label,
    int Priority,
    bool Preemptible,
    DateTimeOffset Since,
    DateTimeOffset? Expires,
    int? ProcessId,
    DateTimeOffset? IdleSince,
    string? Reservation,
    LeaseEndingEntry? Ending,
    IReadOnlyList<LeasedInstanceEntry> Instances,
    IReadOnlyDictionary<string, string> Environment)
{
    public static LeaseEntry From(GrantedLease lease)
    {
        Claim claim = lease.Lease.Claim;
        return new LeaseEntry(
            lease.Id,
            lease.Generation,
            lease.BootId,
            claim.Queue,
            claim.Owner.Uid,
            claim.Owner.Label,
            claim.Priority,
            claim.IsPreemptible,
            lease.Lease.Since,
            lease.Expires,
            lease.Hold.Process?.Id,
            lease.IdleSince,
            lease.Lease.Reservation,
            lease.Ending is { } ending
                ? new LeaseEndingEntry(ending.Reason, ending.Message, ending.Since, ending.GraceFrom, ending.GoneBy)
                : null,
            [.. lease.Instances.Select(LeasedInstanceEntry.From)],
            lease.Environment);
    }
}

internal sealed record LeaseEndingEntry(
    LeaseEndReason Reason, string Message, DateTimeOffset Since, DateTimeOffset? GraceFrom, DateTimeOffset? GoneBy);

internal sealed record LeasedInstanceEntry(
    string GpuUuid,
    string Profile,
    int Start,
    int Size,
    int GpuInstanceId,
    int ComputeInstanceId,
    string MigUuid,
    string CdiDevice,
    string? Quarantine)
{
    public static LeasedInstanceEntry From(LeasedInstance instance) => new(
        instance.Place.Gpu,
        instance.Profile,
        instance.Place.Placement.Start,
        instance.Place.Placement.Size,
        instance.GpuInstanceId,
        instance.ComputeInstanceId,
        instance.MigUuid,
        instance.CdiDevice,
        instance.Quarantine);
}

internal sealed record WaitingClaimEntry(
    string Id,
    string Queue,
    uint Uid,
    string? Label,
    string Requests,
    int Position,
    WaitReason Reason,
    string Message,
    DateTimeOffset Since)
{
    public static WaitingClaimEntry From(Waiting waiting) => new(
        waiting.Claim.Id,
        waiting.Claim.Queue,
        waiting.Claim.Owner.Uid,
        waiting.Claim.Owner.Label,
        string.Join(", ", waiting.Claim.Requests),
        waiting.Position,
        waiting.Reason,
        waiting.Message,
        waiting.Claim.Created);
}

internal sealed record LeaseEventEntry(
    long Sequence, DateTimeOffset Time, LeaseEventKind Kind, string Lease, long Generation, LeaseEndReason? Reason, string Message)
{
    public static LeaseEventEntry From(LeaseEvent e) => new(e.Sequence, e.Time, e.Kind, e.Lease, e.Generation, e.Reason, e.Message);
}

/// <summary>The events of a lease, as far as they are still known.</summary>
internal sealed record LeaseEventsDocument(IReadOnlyList<LeaseEventEntry> Events);
