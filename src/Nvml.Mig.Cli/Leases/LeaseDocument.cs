using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Leases;

/// <summary>The document of the commands on one lease.</summary>
internal sealed record LeaseDocument(LeaseEntry Lease, ErrorEntry? Error);

/// <summary>The document of <c>lease list --json</c>.</summary>
internal sealed record LeaseListDocument(
    IReadOnlyList<LeaseEntry> Leases, IReadOnlyList<WaitingClaimEntry> Waiting, IReadOnlyList<PoolGpuEntry> Gpus, ErrorEntry? Error);

/// <summary>The document of <c>lease clear --json</c>.</summary>
internal sealed record ClearDocument(IReadOnlyList<LeasedInstanceEntry> Destroyed, ErrorEntry? Error);

/// <summary>The document of <c>lease policy --json</c>.</summary>
internal sealed record PolicyDocument(PolicyEntry Policy, ErrorEntry? Error);

internal sealed record PolicyEntry(
    double VictimDelaySeconds, double NoticeSeconds, double GraceSeconds, bool ReuseAcrossUsers, double? KeepRoomAfterSeconds);

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
    public static LeaseEntry From(GrantedLease lease, IReadOnlyList<LeasedInstanceEntry> instances)
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
                ? new LeaseEndingEntry(ending.Reason.ToString(), ending.Message, ending.Since, ending.GraceFrom, ending.GoneBy)
                : null,
            instances,
            lease.Environment);
    }
}

internal sealed record LeaseEndingEntry(
    string Reason, string Message, DateTimeOffset Since, DateTimeOffset? GraceFrom, DateTimeOffset? GoneBy);

internal sealed record LeasedInstanceEntry(
    string GpuUuid,
    int? GpuIndex,
    string Profile,
    int Start,
    int Size,
    int GpuInstanceId,
    int ComputeInstanceId,
    string MigUuid,
    string CdiDevice,
    string? Quarantine,
    IReadOnlyList<LeaseProcessEntry>? Processes,
    long? UsedMemoryBytes,
    long? TotalMemoryBytes,
    IReadOnlyList<string>? DeviceNodes);

internal sealed record LeaseProcessEntry(int Pid, string? Name, long? UsedMemoryBytes);

internal sealed record WaitingClaimEntry(
    string Id, string Queue, uint Uid, string? Label, string Requests, int Position, string Reason, string Message, DateTimeOffset Since)
{
    public static WaitingClaimEntry From(Leasing.Scheduling.Waiting waiting) => new(
        waiting.Claim.Id,
        waiting.Claim.Queue,
        waiting.Claim.Owner.Uid,
        waiting.Claim.Owner.Label,
        string.Join(", ", waiting.Claim.Requests),
        waiting.Position,
        waiting.Reason.ToString(),
        waiting.Message,
        waiting.Claim.Created);
}

internal sealed record PoolGpuEntry(
    int Index, string Uuid, string Model, string? Problem, IReadOnlyList<LeasedInstanceEntry> Idle, IReadOnlyList<ForeignEntry> Foreign);

internal sealed record ForeignEntry(int ProfileId, int Start, int Size);
