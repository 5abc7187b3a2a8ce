using System.Diagnostics.Metrics;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Tests.Monitoring;

/// <summary>docs/metrics.md has exactly what is published.</summary>
public class MetricsPageTests
{
    [Fact]
    public void The_page_lists_every_instrument()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using MetricCollector collector = new();
        using GpuMonitor monitor = new(machine.Session);
        using GpuMetrics metrics = new(monitor);
        NvmlTelemetry.RecordError("nvmlInit_v2", NvmlReturnCode.Unknown);

        string[] published = [.. collector.Instruments.Values.Select(i => $"{i.Name} | {KindOf(i)} | {i.Unit}")];

        published.Should().BeEquivalentTo(
            InstrumentsOf("Readings, by GpuMetrics").Concat(InstrumentsOf("Operations, by the library itself")));
        collector.Instruments.Values.Should().OnlyContain(i => i.Description!.EndsWith('.'));
    }

    /// <summary>The rows of the table in a section: name, kind, unit.</summary>
    private static IEnumerable<string> InstrumentsOf(string section) =>
        File.ReadLines(Repository.File("docs/metrics.md"))
            .SkipWhile(line => line != $"## {section}").Skip(1)
            .TakeWhile(line => !line.StartsWith('#'))
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => string.Join(" | ", line.Split('|')[1..4].Select(cell => cell.Trim(' ', '`'))));

    private static string KindOf(Instrument instrument) => instrument.GetType().Name.Split('`')[0] switch
    {
        "ObservableGauge" => "gauge",
        "ObservableCounter" or "Counter" => "counter",
        "ObservableUpDownCounter" or "UpDownCounter" => "up-down counter",
        var kind => kind.ToLowerInvariant(),
    };
}
