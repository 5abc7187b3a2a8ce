using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Nvml.Mig.Benchmarks.Planning;
using Nvml.Mig.Benchmarks.Running;
using Perfolizer.Horology;

// Not a benchmark: a simulation of a site, which takes minutes and says what leases are worth.
if (args is ["leasing-worth"])
{
    Nvml.Mig.Benchmarks.LeasingWorth.WorthReport.Write(Geometries.Simulated("H100-SXM5-80GB"));
    return;
}

// --quick: a part of the benchmarks, with shorter iterations. They run as all do, each in a process of its own: in this one,
// what one benchmark teaches the JIT compiler would show in the next.
const string quick = "--quick";
bool isQuick = args.Contains(quick, StringComparer.Ordinal);

// A class that needs other iterations says so itself.
Job job = new Job().WithWarmupCount(5).WithIterationCount(15).WithIterationTime(TimeInterval.FromMilliseconds(isQuick ? 100 : 200))
    .AsMutator();
ManualConfig config = ManualConfig.Create(DefaultConfig.Instance)
    .AddJob(job)
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddColumn(StatisticColumn.Median, new FastestRatioColumn(), new NativeCallsColumn())
    .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(40))
    .WithArtifactsPath(Path.Combine(Results.Repository, "artifacts", "benchmarks"));
if (isQuick)
{
    args = [.. args.Where(arg => arg != quick)];
    if (args.Length == 0)
        args = ["--filter", "*.BindingBenchmarks.*", "*.EnumerationBenchmarks.*"];
}

foreach (Summary summary in BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, config))
{
    if (!isQuick)
        Results.Keep(summary);
}
