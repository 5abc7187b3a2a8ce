using System.Diagnostics;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Benchmarks.Cli;

/// <summary>
/// <c>nvmig list</c> on a simulated A100 with four instances, from the start of the process to its end. The difference to a program that
/// does nothing and is published in the same way is the part that is ours: the command line, NVML, tables.
/// </summary>
[SimpleJob(RunStrategy.Monitoring, warmupCount: 3, iterationCount: 20)]
public class ColdStartBenchmarks
{
    private readonly string _state = Path.Combine(Path.GetTempPath(), $"nvml-mig-benchmarks-{Environment.ProcessId}");
    private ProcessStartInfo _start = null!;

    [GlobalSetup(Target = nameof(OnSharedRuntime))]
    public void PublishForSharedRuntime() => Prepare(PublishedPrograms.NvmigOnSharedRuntime(), "list");

    [GlobalSetup(Target = nameof(SingleFile))]
    public void PublishSingleFile() => Prepare(PublishedPrograms.Nvmig(), "list");

    [GlobalSetup(Target = nameof(AheadOfTime))]
    public void PublishAheadOfTime() => Prepare(PublishedPrograms.NvmigAheadOfTime(), "list");

    [GlobalSetup(Target = nameof(Empty))]
    public void PublishEmpty() => Prepare(PublishedPrograms.Empty());

    [GlobalSetup(Target = nameof(EmptyAheadOfTime))]
    public void PublishEmptyAheadOfTime() => Prepare(PublishedPrograms.EmptyAheadOfTime());

    [GlobalCleanup]
    public void Forget() => File.Delete(_state);

    [Benchmark(Baseline = true, Description = "nvmig list, framework-dependent")]
    public void OnSharedRuntime() => Run();

    [Benchmark(Description = "nvmig list, trimmed, self-contained, ReadyToRun")]
    public void SingleFile() => Run();

    [Benchmark(Description = "a program that does nothing, published likewise")]
    public void Empty() => Run();

    [Benchmark(Description = "nvmig list, compiled ahead of time (NativeAOT)")]
    public void AheadOfTime() => Run();

    [Benchmark(Description = "a program that does nothing, compiled ahead of time")]
    public void EmptyAheadOfTime() => Run();

    private void Prepare(string program, params string[] arguments)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB", _state);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        GpuDevice gpu = session.Devices[0];
        gpu.EnableMig();
        foreach (string profile in new[] { "3g.20gb", "1g.5gb", "1g.5gb", "1g.5gb" })
            gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile(profile)).CreateComputeInstance();
        _start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, UseShellExecute = false };
        _start.Environment["NVML_LIBRARY_PATH"] = simulator.LibraryPath;
        _start.Environment[NvmlSimulator.GpusVariable] = simulator.Gpus;
        _start.Environment[NvmlSimulator.StateVariable] = _state;
        if (arguments.Length > 0 && !Run().Contains("3g.20gb", StringComparison.Ordinal))
            throw new InvalidOperationException("This is to measure a list of instances.");
    }

    private string Run()
    {
        using Process process = Process.Start(_start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"It ended with {process.ExitCode}.");
    }
}
