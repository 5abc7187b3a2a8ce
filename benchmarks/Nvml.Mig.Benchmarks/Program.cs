using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Nvml.Mig.Benchmarks.Running;
using Perfolizer.Horology;

// --quick: a part of the benchmarks, with fewer and shorter iterations. They run as all do, each in a process of its own: in this one,
// what one benchmark teaches the JIT compiler would show in the next.
const string quick = "--quick";
bool isQuick = args.Contains(quick, StringComparer.Ordinal);

ManualConfig config = ManualConfig.Create(DefaultConfig.Instance)
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddColumn(StatisticColumn.Median, new NativeCallsColumn())
    .WithArtifactsPath(Path.Combine(Results.Repository, "artifacts", "benchmarks"));
if (isQuick)
{
    config.AddJob(new Job().WithWarmupCount(5).WithIterationCount(11).WithIterationTime(TimeInterval.FromMilliseconds(100)).AsMutator());
    args = [.. args.Where(arg => arg != quick)];
    if (args.Length == 0)
        args = ["--filter", "*.BindingBenchmarks.*", "*.EnumerationBenchmarks.*", "*.PlanBenchmarks.*"];
}

foreach (Summary summary in BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, config))
{
    if (!isQuick)
        Results.Keep(summary);
}
