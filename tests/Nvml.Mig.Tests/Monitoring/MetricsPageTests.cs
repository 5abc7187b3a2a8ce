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

        string[] published = [.. collector.Instruments.Values.Select(MetricsPage.Describe)];

        string page = Repository.File("docs/metrics.md");
        published.Should().BeEquivalentTo(
            MetricsPage.InstrumentsOf(page, "Readings, by GpuMetrics")
                .Concat(MetricsPage.InstrumentsOf(page, "Operations, by the library itself")));
        collector.Instruments.Values.Should().OnlyContain(i => i.Description!.EndsWith('.'));
    }
}
