using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Cli.Top;

/// <summary>The document of <c>top --json</c>.</summary>
internal sealed record TopDocument(
    DateTimeOffset Time, IReadOnlyList<TopGpuEntry> Gpus, IReadOnlyList<WaitingClaimEntry> Waiting, string? Notice, ErrorEntry? Error)
{
    public static TopDocument From(TopReading reading) => new(
        reading.Machine.Time,
        [.. reading.Machine.Gpus.Select(gpu => TopGpuEntry.From(gpu, reading))],
        reading.Waiting,
        reading.Notice,
        ErrorEntry.FromOptional(reading.Machine.Gpus.Select(gpu => gpu.Error).FirstOrDefault(e => e is not null)));
}

internal sealed record TopGpuEntry(
    int Index,
    string? Name,
    string? Uuid,
    string Status,
    MigModeEntry? MigMode,
    int? TemperatureCelsius,
    double? PowerWatts,
    double? Utilization,
    long? UsedMemoryBytes,
    long? TotalMemoryBytes,
    IReadOnlyList<TopXidEntry> Xids,
    IReadOnlyList<TopInstanceEntry> Instances,
    ErrorEntry? Error)
{
    /// <summary>The lease of a GPU with MIG disabled.</summary>
    public TopLeaseEntry? Lease { get; init; }

    /// <summary>Those who share such a GPU.</summary>
    public IReadOnlyList<TopFractionEntry> Fractions { get; init; } = [];

    public static TopGpuEntry From(GpuReading gpu, TopReading reading) => new(
        gpu.Index,
        gpu.Name,
        gpu.Uuid,
        gpu.Status.ToString(),
        gpu.Mode is { } mode ? MigModeEntry.From(mode) : null,
        gpu.TemperatureCelsius,
        gpu.PowerWatts,
        gpu.Utilization,
        gpu.Memory?.UsedBytes,
        gpu.Memory?.TotalBytes,
        [.. gpu.Xids.Select(x => new TopXidEntry(x.Xid, x.Count))],
        [.. gpu.Instances.Select(i => TopInstanceEntry.From(i, reading))],
        ErrorEntry.FromOptional(gpu.Error))
    {
        Lease = TopLeaseEntry.Find(gpu.Uuid, reading),
        Fractions = TopFractionEntry.Find(gpu.Uuid, reading),
    };
}

internal sealed record TopXidEntry(int Xid, long Count);

/// <summary>A MIG device. Activity is from 0 to 1, over a window; null where the GPU does not measure it.</summary>
internal sealed record TopInstanceEntry(
    string MigUuid,
    int GpuInstanceId,
    int ComputeInstanceId,
    string Profile,
    PlacementEntry Placement,
    long UsedMemoryBytes,
    long TotalMemoryBytes,
    double? Activity,
    double? MultiprocessorActivity,
    double? TensorCoreActivity,
    double? MemoryBandwidthActivity,
    double? ActivityWindowSeconds,
    IReadOnlyList<LeaseProcessEntry>? Processes,
    TopLeaseEntry? Lease)
{
    /// <summary>Those who share the device by MPS.</summary>
    public IReadOnlyList<TopFractionEntry> Fractions { get; init; } = [];

    public static TopInstanceEntry From(InstanceReading instance, TopReading reading) => new(
        instance.Uuid,
        instance.GpuInstanceId,
        instance.ComputeInstanceId,
        instance.Profile,
        PlacementEntry.From(instance.Placement),
        instance.Memory.UsedBytes,
        instance.Memory.TotalBytes,
        instance.Activity?.Engine,
        instance.Activity?.Multiprocessors,
        instance.Activity?.TensorCores,
        instance.Activity?.MemoryBandwidth,
        instance.Activity?.Window.TotalSeconds,
        instance.Processes is { } processes
            ? [.. processes.Select(p => new LeaseProcessEntry(p.ProcessId, p.Name, p.UsedMemoryBytes))]
            : null,
        TopLeaseEntry.Find(instance.Uuid, reading))
    {
        Fractions = TopFractionEntry.Find(instance.Uuid, reading),
    };
}

internal sealed record TopLeaseEntry(string Id, long Generation, string Queue, uint Uid, string? Label, string? Ending, string? Quarantine)
{
    public static TopLeaseEntry? Find(string? device, TopReading reading) =>
        device is not null && reading.Leases.TryGetValue(device, out LeaseEntry? lease) ? From(lease, device) : null;

    public static TopLeaseEntry From(LeaseEntry lease, string uuid) => new(
        lease.Id,
        lease.Generation,
        lease.Queue,
        lease.Uid,
        lease.Label,
        lease.Ending?.Reason.ToString(),
        lease.Instances.FirstOrDefault(i => i.MigUuid == uuid)?.Quarantine);
}

/// <summary>A part of a device that is shared by MPS, and what its processes have of it.</summary>
internal sealed record TopFractionEntry(
    TopLeaseEntry Lease, FractionEntry Part, long? UsedMemoryBytes, bool? IsOverRequest, IReadOnlyList<LeaseProcessEntry>? Processes)
{
    public static TopFractionEntry[] Find(string? device, TopReading reading) =>
        device is null ? [] : [.. reading.FractionsOf(reading.Leases.GetValueOrDefault(device)).Select(From)];

    private static TopFractionEntry From(LeaseEntry lease)
    {
        LeasedInstanceEntry device = lease.Instances[0];
        return new TopFractionEntry(
            TopLeaseEntry.From(lease, device.MigUuid), lease.Fraction!, device.UsedMemoryBytes, lease.IsOverRequest, device.Processes);
    }
}
