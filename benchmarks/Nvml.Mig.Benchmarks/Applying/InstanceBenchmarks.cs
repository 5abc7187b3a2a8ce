using BenchmarkDotNet.Attributes;
using Nvml.Mig.Benchmarks.Running;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Benchmarks.Applying;

/// <summary>
/// A GPU instance with its compute instance, created and destroyed, of each profile of an H200: by a driver that takes no time, and by one
/// that takes an H200's.
/// </summary>
[WarmupCount(2)]
[IterationCount(10)]
[IterationTime(200)]
public class InstanceBenchmarks : ICountNativeCalls
{
    private readonly (GpuInstanceProfile, ComputeInstanceProfile)[] _wanted = new (GpuInstanceProfile, ComputeInstanceProfile)[1];
    private NvmlSession _session = null!;
    private GpuDevice _gpu = null!;
    private GpuInstanceProfile _profile = null!;
    private BareGpu _bare = null!;

    [Params("1g.18gb", "1g.18gb+me", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb")]
    public string Profile { get; set; } = "";

    [Params(SimulatedLatency.None, SimulatedLatency.Hardware)]
    public SimulatedLatency Latency { get; set; }

    public NvmlSimulator Simulator { get; private set; } = null!;

    [GlobalSetup]
    public void Open()
    {
        Simulator = NvmlSimulator.Start("H200");
        _session = NvmlSession.Open(Simulator.LibraryPath);
        _gpu = _session.Devices[0];
        _gpu.EnableMig();
        _profile = _gpu.GetGpuInstanceProfile(Profile);
        GpuInstance instance = _gpu.CreateGpuInstance(_profile);
        _wanted[0] = (_profile, instance.GetDefaultComputeInstanceProfile());
        instance.Destroy();
        _bare = new BareGpu(0);
        Simulator.SetLatency(Latency);
    }

    [GlobalCleanup]
    public void Close()
    {
        _session.Dispose();
        Simulator.Dispose();
    }

    [Benchmark(Baseline = true, Description = "Bare calls")]
    public void ByBareCalls() => _bare.CreateAndDestroy(_wanted);

    [Benchmark(Description = "Public API")]
    public void ByApi()
    {
        GpuInstance instance = _gpu.CreateGpuInstance(_profile);
        ComputeInstance inside = instance.CreateComputeInstance();
        inside.Destroy();
        instance.Destroy();
    }
}
