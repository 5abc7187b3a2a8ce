using Nvml.Mig.Leasing;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Page;

/// <summary>The content of the page, read at one time.</summary>
/// <param name="Host">The name of the machine.</param>
/// <param name="Leasing">Where leasing stands.</param>
/// <param name="Machine">What was read of the GPUs.</param>
/// <param name="Usage">What the MIG devices used over the last hour.</param>
/// <param name="Slices">The number of memory slices of a GPU, by its UUID.</param>
/// <param name="Events">What happened to leases, the latest first.</param>
internal sealed record PageContent(
    string Host,
    LeaseOverview Leasing,
    MachineReading Machine,
    UsageHistory Usage,
    IReadOnlyDictionary<string, int> Slices,
    IReadOnlyList<LeaseEvent> Events)
{
    private readonly Dictionary<string, GrantedLease> _leases = Leasing.Leases
        .SelectMany(l => l.Instances.Select(i => (i.MigUuid, Lease: l)))
        .DistinctBy(l => l.MigUuid, StringComparer.Ordinal)
        .ToDictionary(l => l.MigUuid, l => l.Lease, StringComparer.Ordinal);

    /// <summary>The lease that has a MIG device; null: none.</summary>
    public GrantedLease? LeaseOf(string migUuid) => _leases.GetValueOrDefault(migUuid);

    /// <summary>How many memory slices a GPU has; if that is not known, as many as its instances reach.</summary>
    public int SlicesOf(GpuReading gpu)
    {
        int known = gpu.Uuid is { } uuid ? Slices.GetValueOrDefault(uuid) : 0;
        return gpu.Instances.Select(i => i.Placement.End).Append(known).Max();
    }

    /// <summary>The color of a queue, by its place in the list: one of eight.</summary>
    public int ColorOf(string queue)
    {
        int index = Leasing.Queues.Select(q => q.Queue.Name).Order(StringComparer.Ordinal).ToList().IndexOf(queue);
        return index < 0 ? 0 : index % 8;
    }
}
