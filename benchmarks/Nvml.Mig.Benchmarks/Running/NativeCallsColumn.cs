using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Parameters;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Benchmarks.Running;

/// <summary>A benchmark on a simulated machine, whose native calls can be counted.</summary>
public interface ICountNativeCalls
{
    /// <summary>The machine, once the setup has run.</summary>
    NvmlSimulator Simulator { get; }
}

/// <summary>
/// Native calls of one operation: what costs time on real hardware. Counted after the measurement, in this process: the operation is
/// done twice, and the calls of the second counted, so that what is remembered is remembered.
/// </summary>
internal sealed class NativeCallsColumn : IColumn
{
    /// <summary>Each exporter asks anew, and an operation may take seconds.</summary>
    private readonly Dictionary<BenchmarkCase, long> _counted = [];

    public string Id => nameof(NativeCallsColumn);

    public string ColumnName => "Native calls";

    public string Legend => "Calls of NVML functions in one operation";

    public bool AlwaysShow => false;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(Counts);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, summary.Style);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
    {
        if (!Counts(benchmarkCase))
            return "-";
        if (!_counted.TryGetValue(benchmarkCase, out long calls))
            _counted[benchmarkCase] = calls = Count(benchmarkCase);
        return calls.ToString(CultureInfo.InvariantCulture);
    }

    private static bool Counts(BenchmarkCase benchmarkCase) => benchmarkCase.Descriptor.Type.IsAssignableTo(typeof(ICountNativeCalls));

    private static long Count(BenchmarkCase benchmarkCase)
    {
        Descriptor descriptor = benchmarkCase.Descriptor;
        ICountNativeCalls benchmark = (ICountNativeCalls)Activator.CreateInstance(descriptor.Type)!;
        foreach (ParameterInstance parameter in benchmarkCase.Parameters.Items)
            descriptor.Type.GetProperty(parameter.Name)!.SetValue(benchmark, parameter.Value);
        descriptor.GlobalSetupMethod?.Invoke(benchmark, null);
        try
        {
            descriptor.WorkloadMethod.Invoke(benchmark, null);
            long before = benchmark.Simulator.GetCallCount();
            descriptor.WorkloadMethod.Invoke(benchmark, null);
            return benchmark.Simulator.GetCallCount() - before;
        }
        finally
        {
            descriptor.GlobalCleanupMethod?.Invoke(benchmark, null);
        }
    }
}
