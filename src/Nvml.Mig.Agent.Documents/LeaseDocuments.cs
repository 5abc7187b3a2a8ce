using System.Text.Json.Serialization;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Agent.Documents;

// Documents that the agent answers with, and that nvmig prints with --json. Members are added, never renamed or removed.

/// <summary>One lease.</summary>
public sealed record LeaseDocument(LeaseEntry Lease);

/// <summary>The leases.</summary>
public sealed record LeasesDocument(IReadOnlyList<LeaseEntry> Leases);

/// <summary>The result of a claim: a lease, or why it waits.</summary>
public sealed record ClaimDocument(LeaseEntry? Lease, WaitingClaimEntry? Waiting);

/// <summary>The claims that wait.</summary>
public sealed record WaitingDocument(IReadOnlyList<WaitingClaimEntry> Waiting);

/// <summary>The instances that were destroyed.</summary>
public sealed record ClearDocument(IReadOnlyList<LeasedInstanceEntry> Destroyed);

public sealed record LeaseEntry(
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
    /// <summary>Its part of a device that is shared; null: it has all of its instances.</summary>
    public FractionEntry? Fraction { get; init; }

    /// <summary>How it is divided into fractions; null: it is not for fractions.</summary>
    public SharedDeviceEntry? Shared { get; init; }

    /// <summary>
    /// Whether the processes of a fraction by MPS have more memory than is kept for it: it can be up to the limit, for each of them. Null:
    /// it is none, or what they have was not read.
    /// </summary>
    [JsonIgnore]
    public bool? IsOverRequest =>
        Fraction is { Backend: SharingBackend.Mps } part ? Instances[0].UsedMemoryBytes > part.MemoryRequestMiB << 20 : null;

    /// <summary>The lease without what uses it.</summary>
    public static LeaseEntry From(GrantedLease lease) => From(lease, LeasedInstanceEntry.From);

    public static LeaseEntry From(GrantedLease lease, Func<LeasedInstance, GrantedLease?, LeasedInstanceEntry> read)
    {
        ArgumentNullException.ThrowIfNull(lease);
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
            [.. lease.Instances.Select(i => read(i, lease))],
            lease.Environment)
        {
            Fraction = lease.Fraction is { } f
                ? new FractionEntry(
                    f.Device, f.Backend, f.MemoryRequestMiB, f.MemoryLimitMiB, f.ComputeRequest, f.ComputeLimit, f.ComputeSlices)
                : null,
            Shared = lease.Shared is { } s ? new SharedDeviceEntry(s.Backend, s.Mode, s.MemoryMiB, s.ComputeSlices) : null,
        };
    }
}

/// <summary>A part of a device: memory in MiB with contexts, computing power in per cent.</summary>
public sealed record FractionEntry(
    string Device,
    SharingBackend Backend,
    long MemoryRequestMiB,
    long? MemoryLimitMiB,
    decimal ComputeRequest,
    decimal ComputeLimit,
    int ComputeSlices);

/// <summary>A device for fractions.</summary>
public sealed record SharedDeviceEntry(SharingBackend Backend, FractionMode Mode, long MemoryMiB, int ComputeSlices);

public sealed record LeaseEndingEntry(
    LeaseEndReason Reason, string Message, DateTimeOffset Since, DateTimeOffset? GraceFrom, DateTimeOffset? GoneBy);

/// <summary>
/// An instance. Index, processes, memory and device nodes are read where that is asked for; null: they were not, or cannot be read.
/// </summary>
public sealed record LeasedInstanceEntry(
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
    IReadOnlyList<string>? DeviceNodes)
{
    /// <summary>The instance without what uses it.</summary>
    public static LeasedInstanceEntry From(LeasedInstance instance, GrantedLease? lease)
    {
        ArgumentNullException.ThrowIfNull(instance);
        return new LeasedInstanceEntry(
            instance.Place.Gpu,
            null,
            instance.Profile,
            instance.Place.Placement.Start,
            instance.Place.Placement.Size,
            instance.GpuInstanceId,
            instance.ComputeInstanceId,
            instance.MigUuid,
            instance.CdiDevice,
            instance.Quarantine,
            null,
            null,
            null,
            null);
    }

    /// <summary><c>1g.10gb at 0:1 of GPU-... (MIG-...)</c></summary>
    public override string ToString() => $"{Profile} at {new Placement(Start, Size)} of {GpuUuid} ({MigUuid})";
}

public sealed record LeaseProcessEntry(int Pid, string? Name, long? UsedMemoryBytes);

public sealed record WaitingClaimEntry(
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
        waiting.Claim.Fraction is { } part ? $"{part} of {waiting.Claim.Requests[0]}" : string.Join(", ", waiting.Claim.Requests),
        waiting.Position,
        waiting.Reason,
        waiting.Message,
        waiting.Claim.Created);

    /// <summary><c>train waits as number 1. There is no free place for 7g.40gb.</c></summary>
    public override string ToString() => $"{Id} waits as number {Position}. {Message}";
}

public sealed record LeaseEventEntry(
    long Sequence, DateTimeOffset Time, LeaseEventKind Kind, string Lease, long Generation, LeaseEndReason? Reason, string Message)
{
    public static LeaseEventEntry From(LeaseEvent e) => new(e.Sequence, e.Time, e.Kind, e.Lease, e.Generation, e.Reason, e.Message);
}

/// <summary>The events of a lease, as far as they are still known.</summary>
public sealed record LeaseEventsDocument(IReadOnlyList<LeaseEventEntry> Events);
