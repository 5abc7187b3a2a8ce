namespace Nvml.Mig.Cli.Bench;

/// <summary>What is measured. Each time is that of one or more calls of the library, with the native calls of <see cref="Measurement.Calls"/> inside.</summary>
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

/// <summary>How long an operation took, again and again.</summary>
internal sealed class Measurement(BenchOperation operation, GpuInstanceProfile? profile = null, Placement? placement = null, BenchLayout? layout = null)
{
    /// <summary>The library asks whether an instance is still the one that it knows before it changes it.</summary>
    private static readonly Dictionary<BenchOperation, string[]> NativeCalls = new()
    {
        [BenchOperation.DisableMig] = ["nvmlDeviceSetMigMode"],
        [BenchOperation.EnableMig] = ["nvmlDeviceSetMigMode"],
        [BenchOperation.CreateGpuInstance] = ["nvmlDeviceCreateGpuInstanceWithPlacement", "nvmlGpuInstanceGetInfo"],
        [BenchOperation.CreateComputeInstance] = ["nvmlGpuInstanceGetInfo", "nvmlGpuInstanceCreateComputeInstance", "nvmlComputeInstanceGetInfo_v2"],
        [BenchOperation.DestroyComputeInstance] = ["nvmlGpuInstanceGetInfo", "nvmlComputeInstanceGetInfo_v2", "nvmlComputeInstanceDestroy"],
        [BenchOperation.DestroyGpuInstance] = ["nvmlGpuInstanceGetInfo", "nvmlGpuInstanceDestroy"],
    };

    private readonly List<TimeSpan> _times = [];

    public BenchOperation Operation => operation;

    public GpuInstanceProfile? Profile => profile;

    public Placement? Placement => placement;

    public BenchLayout? Layout => layout;

    /// <summary>The repetitions, without those to warm up.</summary>
    public IReadOnlyList<TimeSpan> Times => _times;

    /// <summary>The native functions that a time holds; for a layout those of one GPU instance with its compute instance.</summary>
    public IReadOnlyList<string> Calls => operation switch
    {
        BenchOperation.CreateLayout => [.. NativeCalls[BenchOperation.CreateGpuInstance], .. NativeCalls[BenchOperation.CreateComputeInstance]],
        BenchOperation.DestroyLayout => [.. NativeCalls[BenchOperation.DestroyComputeInstance], .. NativeCalls[BenchOperation.DestroyGpuInstance]],
        _ => NativeCalls[operation],
    };

    public void Add(TimeSpan time) => _times.Add(time);

    /// <summary>The percentile by nearest rank: a time that was measured, not one between two.</summary>
    public TimeSpan GetPercentile(int percent)
    {
        TimeSpan[] sorted = [.. _times.Order()];
        return sorted[Math.Max(0, (((percent * sorted.Length) + 99) / 100) - 1)];
    }
}
