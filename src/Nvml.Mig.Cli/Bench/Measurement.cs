namespace Nvml.Mig.Cli.Bench;

/// <summary>
/// An operation to measure: one or more calls of the library, which make the native calls of <see cref="Measurement.Calls"/>.
/// </summary>
internal enum BenchOperation
{
    DisableMig,
    EnableMig,
    CreateGpuInstance,
    CreateComputeInstance,
    DestroyComputeInstance,
    DestroyGpuInstance,
    CreateLayout,
    DestroyLayout,
}

/// <summary>The times of an operation.</summary>
internal sealed class Measurement(
    BenchOperation operation, GpuInstanceProfile? profile = null, Placement? placement = null, BenchLayout? layout = null)
{
    /// <summary>The library reads an instance before it changes it, to check that it is still the same, and reads back what a change did.</summary>
    private static readonly Dictionary<BenchOperation, string[]> NativeCalls = new()
    {
        [BenchOperation.DisableMig] = ["nvmlDeviceSetMigMode", "nvmlDeviceGetMigMode"],
        [BenchOperation.EnableMig] = ["nvmlDeviceSetMigMode", "nvmlDeviceGetMigMode"],
        [BenchOperation.CreateGpuInstance] = ["nvmlDeviceCreateGpuInstanceWithPlacement", "nvmlGpuInstanceGetInfo"],
        [BenchOperation.CreateComputeInstance] =
            ["nvmlGpuInstanceGetInfo", "nvmlGpuInstanceCreateComputeInstance", "nvmlComputeInstanceGetInfo_v2"],
        [BenchOperation.DestroyComputeInstance] =
            ["nvmlGpuInstanceGetInfo", "nvmlComputeInstanceGetInfo_v2", "nvmlComputeInstanceDestroy", "nvmlComputeInstanceGetInfo_v2"],
        [BenchOperation.DestroyGpuInstance] = ["nvmlGpuInstanceGetInfo", "nvmlGpuInstanceDestroy", "nvmlGpuInstanceGetInfo"],
    };

    private readonly List<TimeSpan> _times = [];

    public BenchOperation Operation => operation;

    public GpuInstanceProfile? Profile => profile;

    public Placement? Placement => placement;

    public BenchLayout? Layout => layout;

    /// <summary>The repetitions, without the warm-up.</summary>
    public IReadOnlyList<TimeSpan> Times => _times;

    /// <summary>The native functions that a time includes; for a layout those of one GPU instance with its compute instance.</summary>
    public IReadOnlyList<string> Calls => operation switch
    {
        BenchOperation.CreateLayout =>
            [.. NativeCalls[BenchOperation.CreateGpuInstance], .. NativeCalls[BenchOperation.CreateComputeInstance]],
        BenchOperation.DestroyLayout =>
            [.. NativeCalls[BenchOperation.DestroyComputeInstance], .. NativeCalls[BenchOperation.DestroyGpuInstance]],
        _ => NativeCalls[operation],
    };

    public void Add(TimeSpan time) => _times.Add(time);

    /// <summary>The percentile by nearest rank, which is a measured time and not one between two.</summary>
    public TimeSpan GetPercentile(int percent)
    {
        TimeSpan[] sorted = [.. _times.Order()];
        return sorted[Math.Max(0, (((percent * sorted.Length) + 99) / 100) - 1)];
    }
}
