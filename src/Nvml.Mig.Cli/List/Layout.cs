using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.List;

/// <summary>The instances of a GPU, read once.</summary>
internal sealed class Layout
{
    private Layout(GpuDevice gpu, MigMode mode, IReadOnlyList<GpuInstanceEntry> gpuInstances)
    {
        Gpu = gpu;
        Mode = mode;
        GpuInstances = gpuInstances;
        Name = gpu.Name;
        PciBusId = gpu.PciBusId;
        Notice = PendingMode.Describe(gpu, mode);
    }

    public GpuDevice Gpu { get; }

    public string Name { get; }

    public string PciBusId { get; }

    public MigMode Mode { get; }

    /// <summary>A mode that is pending, and what to do about it.</summary>
    public string? Notice { get; }

    public IReadOnlyList<GpuInstanceEntry> GpuInstances { get; }

    /// <summary>The memory slices of the GPU; null if they were not asked for, and with MIG disabled.</summary>
    public int? SliceCount { get; private init; }

    /// <summary>How the GPU can be divided, without the insides of GPU instances; null as <see cref="SliceCount"/>.</summary>
    public GpuGeometry? Geometry { get; private init; }

    public string Heading => $"GPU {Gpu.Index}  {Name}  {PciBusId}  MIG {Mode}";

    /// <summary>Reads a layout. Of a GPU with MIG disabled nothing else is read.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="mode">Its mode.</param>
    /// <param name="draws">Whether a picture in characters is drawn of it.</param>
    /// <param name="drawsSvg">Whether a picture in a file is drawn of it.</param>
    /// <exception cref="PlanningException">The driver reports nonsense, which cannot be drawn.</exception>
    public static Layout Read(GpuDevice gpu, MigMode mode, bool draws = false, bool drawsSvg = false)
    {
        if (!mode.Current)
            return new Layout(gpu, mode, []);
        List<(GpuInstance Instance, IReadOnlyList<ComputeInstance> Inside)> found = [];
        foreach (GpuInstance instance in gpu.GetGpuInstances())
        {
            try
            {
                found.Add((instance, instance.GetComputeInstances()));
            }
            catch (NvmlNotFoundException)
            {
                // Another process destroyed it meanwhile: it is not part of the layout any more.
            }
        }

        // Without compute instances there are no MIG devices to list.
        IReadOnlyList<MigDevice> devices = found.Exists(f => f.Inside.Count > 0) ? gpu.GetMigDevices() : [];
        return new Layout(gpu, mode, [.. found.Select(f => Entry(f.Instance, f.Inside, devices))])
        {
            SliceCount = draws ? CountSlices(gpu, found.Select(f => f.Instance.Placement)) : null,
            Geometry = drawsSvg
                ? new GpuGeometry(gpu.GetGpuInstanceProfiles().Select(p => new ProfileGeometry(p, gpu.GetPossiblePlacements(p))))
                : null,
        };
    }

    /// <summary>A layout without instances, which is known to have none.</summary>
    public static Layout OfEmpty(GpuDevice gpu, MigMode mode) =>
        new(gpu, mode, []) { SliceCount = mode.Current ? CountSlices(gpu, []) : null };

    /// <summary>
    /// The instances of a snapshot, without reading them again. A snapshot without a geometry takes the native calls for that.
    /// </summary>
    public static Layout From(GpuDevice gpu, GpuSnapshot snapshot)
    {
        int slices = snapshot.Geometry.MemorySliceCount;
        return new Layout(gpu, snapshot.Mode, [.. snapshot.Instances.OrderBy(instance => instance.Id).Select(GpuInstanceEntry.From)])
        {
            SliceCount = !snapshot.Mode.Current ? null
                : slices > 0 ? slices
                : CountSlices(gpu, snapshot.Instances.Select(instance => instance.Placement)),
        };
    }

    public GpuLayoutEntry ToEntry() =>
        new(Gpu.Index, Name, Gpu.Uuid, PciBusId, MigModeEntry.From(Mode), GpuInstances, Notice, Error: null);

    /// <summary>The end of the largest profile's placements: it takes the whole GPU.</summary>
    private static int CountSlices(GpuDevice gpu, IEnumerable<Placement> present)
    {
        GpuInstanceProfile? largest = gpu.GetGpuInstanceProfiles().MaxBy(p => p.MemoryMiB);
        IEnumerable<Placement> places = largest is null ? [] : gpu.GetPossiblePlacements(largest);
        return places.Concat(present).Select(p => p.End).DefaultIfEmpty().Max();
    }

    public static GpuInstanceEntry Entry(
        GpuInstance instance, IEnumerable<ComputeInstance> computeInstances, IReadOnlyList<MigDevice> devices) =>
        new(
            instance.Id,
            instance.Profile.Name,
            instance.Profile.Id,
            PlacementEntry.From(instance.Placement),
            [.. computeInstances.Select(compute => new ComputeInstanceEntry(
                compute.Id,
                compute.Profile.Name,
                compute.Profile.Id,
                PlacementEntry.From(compute.Placement),
                devices.FirstOrDefault(d => d.GpuInstanceId == instance.Id && d.ComputeInstanceId == compute.Id)?.Uuid))]);
}
