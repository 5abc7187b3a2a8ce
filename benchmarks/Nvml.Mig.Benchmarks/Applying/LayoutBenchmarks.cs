using BenchmarkDotNet.Attributes;
using Nvml.Mig.Applying;
using Nvml.Mig.Benchmarks.Running;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Benchmarks.Applying;

/// <summary>
/// Empty H200s get a layout, and are empty again: by bare calls, by the public API instance by instance, and by
/// <see cref="LayoutApplier"/>, which reads, plans, records on disk, changes and reads back, twice. All of them change the GPUs side by
/// side.
/// </summary>
[WarmupCount(1)]
[IterationCount(5)]
[IterationTime(200)]
public class LayoutBenchmarks : ICountNativeCalls
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), "nvml-mig-benchmarks");
    private NvmlSession _session = null!;
    private (GpuInstanceProfile Profile, ComputeInstanceProfile Whole)[] _wanted = [];
    private BareGpu[] _bare = [];
    private GpuTarget[] _layout = [];
    private GpuTarget[] _nothing = [];
    private ApplyOptions _options = null!;

    /// <summary>The whole, a mixture, and split into the smallest.</summary>
    [Params("7g.141gb", "3g.71gb,2g.35gb,1g.18gb*2", "1g.18gb*7")]
    public string Layout { get; set; } = "";

    [Params(1, 8)]
    public int Gpus { get; set; }

    [Params(SimulatedLatency.None, SimulatedLatency.Hardware)]
    public SimulatedLatency Latency { get; set; }

    public NvmlSimulator Simulator { get; private set; } = null!;

    [GlobalSetup]
    public void Open()
    {
        Simulator = NvmlSimulator.Start($"H200*{Gpus}");
        _session = NvmlSession.Open(Simulator.LibraryPath);
        foreach (GpuDevice gpu in _session.Devices)
            gpu.EnableMig();
        _options = new ApplyOptions { JournalFolder = _folder };
        _layout = [.. _session.Devices.Select(gpu => new GpuTarget(gpu, LayoutSpec.Parse(Layout)))];
        _nothing = [.. _session.Devices.Select(gpu => new GpuTarget(gpu, new LayoutSpec()))];
        Apply(_layout);
        // Large ones first: the driver finds the places for the others.
        _wanted = [.. _session.Devices[0].GetGpuInstances()
            .OrderByDescending(instance => instance.Placement.Size)
            .Select(instance => (instance.Profile, instance.GetDefaultComputeInstanceProfile()))];
        Apply(_nothing);
        _bare = [.. Enumerable.Range(0, Gpus).Select(index => new BareGpu(index))];
        Simulator.SetLatency(Latency);
    }

    [GlobalCleanup]
    public void Close()
    {
        _session.Dispose();
        Simulator.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true, Description = "Bare calls")]
    public void ByBareCalls() => OnEachGpu(index => _bare[index].CreateAndDestroy(_wanted));

    [Benchmark(Description = "Instance by instance")]
    public void ByApi() => OnEachGpu(index =>
    {
        GpuDevice gpu = _session.Devices[index];
        List<ComputeInstance> created = [];
        foreach ((GpuInstanceProfile profile, ComputeInstanceProfile whole) in _wanted)
            created.Add(gpu.CreateGpuInstance(profile).CreateComputeInstance(whole));
        foreach (ComputeInstance instance in created)
        {
            instance.Destroy();
            instance.GpuInstance.Destroy();
        }
    });

    [Benchmark(Description = "LayoutApplier")]
    public void ByApplier()
    {
        Apply(_layout);
        Apply(_nothing);
    }

    private void Apply(GpuTarget[] targets)
    {
        if (!LayoutApplier.ApplyAsync(targets, _options).GetAwaiter().GetResult().IsSuccess)
            throw new InvalidOperationException("This is to measure successes.");
    }

    /// <summary>A thread for each GPU, as LayoutApplier has.</summary>
    private void OnEachGpu(Action<int> act) =>
        Task.WaitAll([.. Enumerable.Range(0, Gpus).Select(index => Task.Factory.StartNew(
            () => act(index), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))]);
}
