using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Nvml.Mig.Benchmarks.Running;

/// <summary>
/// The fastest iteration over the baseline's fastest. Other load on the machine only slows iterations down, so two runs agree in this
/// column where means and medians differ.
/// </summary>
internal sealed class FastestRatioColumn : IColumn
{
    public string Id => nameof(FastestRatioColumn);

    public string ColumnName => "Fastest ratio";

    public string Legend => "Fastest iteration over the fastest of the baseline";

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Baseline;

    public int PriorityInCategory => 1;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => summary.HasBaselines();

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, summary.Style);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
        Fastest(summary, benchmarkCase) is { } fastest
        && summary.GetBaseline(summary.GetLogicalGroupKey(benchmarkCase)) is { } baseline
        && Fastest(summary, baseline) is { } least
            ? (fastest / least).ToString("0.00", CultureInfo.InvariantCulture)
            : "-";

    private static double? Fastest(Summary summary, BenchmarkCase benchmarkCase) => summary[benchmarkCase]?.ResultStatistics?.Min;
}
