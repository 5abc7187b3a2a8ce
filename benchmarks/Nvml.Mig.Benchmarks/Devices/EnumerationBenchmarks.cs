using BenchmarkDotNet.Attributes;
using Nvml.Mig.Benchmarks.Running;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Benchmarks.Devices;

/// <summary>
/// Everything that stands on A100s, each divided into 3g.20gb and three 1g.5gb: by a new session, and by one that knows the GPUs.
/// </summary>
public class EnumerationBenchmarks : ICountNativeCalls
{
    private NvmlSession _session = null!;

    [Params(1, 8)]
    public int Gpus { get; set; }

    public NvmlSimulator Simulator { get; private set; } = null!;

    [GlobalSetup]
    public void DivideTheGpus()
    {
        Simulator = NvmlSimulator.Start($"A100-SXM4-40GB*{Gpus}");
        _session = NvmlSession.Open(Simulator.LibraryPath);
        foreach (GpuDevice gpu in _session.Devices)
        {
            gpu.EnableMig();
            foreach (string profile in new[] { "3g.20gb", "1g.5gb", "1g.5gb", "1g.5gb" })
                gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile(profile)).CreateComputeInstance();
        }

        if (Warm() != 4 * Gpus)
            throw new InvalidOperationException("This is to measure four MIG devices on each GPU.");
    }

    [GlobalCleanup]
    public void Close()
    {
        _session.Dispose();
        Simulator.Dispose();
    }

    [Benchmark(Baseline = true)]
    public int Cold()
    {
        using NvmlSession session = NvmlSession.Open(Simulator.LibraryPath);
        return Enumerate(session);
    }

    [Benchmark]
    public int Warm() => Enumerate(_session);

    private static int Enumerate(NvmlSession session)
    {
        int devices = 0;
        foreach (GpuDevice gpu in session.Devices)
        {
            _ = (gpu.Uuid, gpu.Name, gpu.PciBusId, gpu.GetMigMode());
            foreach (GpuInstance instance in gpu.GetGpuInstances())
                instance.GetComputeInstances();
            devices += gpu.GetMigDevices().Count;
        }

        return devices;
    }
}
