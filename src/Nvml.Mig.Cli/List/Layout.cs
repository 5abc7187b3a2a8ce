using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.List;

/// <summary>The instances of a GPU, read once.</summary>
internal sealed class Layout
{
    private Layout(GpuDevice gpu, MigMode mode, IReadOnlyList<GpuInstanceEntry> gpuInstances, int sliceCount)
    {
        Gpu = gpu;
        Mode = mode;
        GpuInstances = gpuInstances;
        SliceCount = sliceCount;
    }

    public GpuDevice Gpu { get; }

    public MigMode Mode { get; }

    public IReadOnlyList<GpuInstanceEntry> GpuInstances { get; }

    /// <summary>The memory slices of the GPU: the end of the last placement.</summary>
    public int SliceCount { get; }

    public string Heading => $"GPU {Gpu.Index}  {Gpu.Name}  {Gpu.PciBusId}  MIG {Mode}";

    public static Layout Read(GpuDevice gpu, MigMode mode)
    {
        List<(GpuInstance Instance, IReadOnlyList<ComputeInstance> Inside)> found = [];
        foreach (GpuInstance instance in mode.Current ? gpu.GetGpuInstances() : [])
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
        List<GpuInstanceEntry> instances = [.. found.Select(f => Entry(f.Instance, f.Inside, devices))];

        int slices = gpu.GetGpuInstanceProfiles().SelectMany(gpu.GetPossiblePlacements).Select(p => p.End).DefaultIfEmpty().Max();
        return new Layout(gpu, mode, instances, slices);
    }

    public GpuLayoutEntry ToEntry() =>
        new(Gpu.Index, Gpu.Name, Gpu.Uuid, Gpu.PciBusId, MigModeEntry.From(Mode), GpuInstances, Error: null);

    /// <summary>How the GPU can be divided, without the insides of GPU instances. Needs no further native call.</summary>
    /// <exception cref="PlanningException">The driver reports nonsense.</exception>
    public GpuGeometry ToGeometry() =>
        new(Gpu.GetGpuInstanceProfiles().Select(p => new ProfileGeometry(p, Gpu.GetPossiblePlacements(p))));

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
