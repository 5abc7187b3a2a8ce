using System.Collections.Concurrent;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Api;

/// <summary>How wide GPUs are. It does not change, so that it is read once.</summary>
internal sealed class GpuWidths(NvmlSession session)
{
    private readonly ConcurrentDictionary<string, int> _widths = new(StringComparer.Ordinal);

    public GpuEntry Describe(GpuOverview gpu) => new(
        gpu.Index,
        gpu.Uuid,
        gpu.Model,
        Find(gpu.Uuid),
        gpu.Problem,
        [.. gpu.Idle.Select(LeasedInstanceEntry.From)],
        [.. gpu.Foreign.Select(f => new ForeignEntry(f.ProfileId, f.Placement.Start, f.Placement.Size))]);

    /// <summary>In memory slices; null if that is not known.</summary>
    public int? Find(string uuid)
    {
        if (_widths.TryGetValue(uuid, out int known))
            return known;
        try
        {
            int width = session.GetDevice(uuid).ReadGeometry().MemorySliceCount;
            if (width > 0)
                _widths[uuid] = width; // None without MIG: it is asked again.
            return width > 0 ? width : null;
        }
        catch (NvmlException)
        {
            return null; // Not known: the GPU's problem is shown.
        }
    }
}
