using System.Globalization;
using Nvml.Mig.Leasing.Tests;
using Nvml.Mig.Monitoring;
using Nvml.Mig.Simulator;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Nvml.Mig.Agent.Tests.Metrics;

/// <summary>OpenTelemetry's SDK names no more than 2,000 sets of attributes of an instrument; leases come and go without end.</summary>
public sealed class ManyLeasesTests : IDisposable
{
    private readonly NvmlSimulator _simulator = NvmlSimulator.Start("A100-SXM4-40GB");

    [Fact]
    public async Task After_thousands_of_leases_each_instance_has_its_values()
    {
        using NvmlSession session = NvmlSession.Open(_simulator.LibraryPath);
        GpuDevice gpu = session.Devices[0];
        gpu.EnableMig();
        for (int i = 0; i < 7; i++)
            gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("1g.5gb")).CreateComputeInstance();
        int lease = 0;
        using GpuMonitor monitor = new(session);
        using GpuMetrics metrics = new(
            monitor, _ => [new("nvml.mig.lease.id", string.Create(CultureInfo.InvariantCulture, $"lease-{lease++}"))]);
        Collector collected = new();
        using BaseExportingMetricReader reader = new(collected);
        using MeterProvider provider = Sdk.CreateMeterProviderBuilder().AddMeter(NvmlTelemetry.SourceName).AddReader(reader).Build();

        // One renewal takes 13 streams; the SDK has a thousand.
        for (int i = 0; i < LongTests.Cases(1500, 20_000); i++)
        {
            provider.ForceFlush();
            if (i % 20 == 0)
                await Task.Delay(1); // Renewed beside it.
        }

        await Task.Delay(100);
        provider.ForceFlush();

        collected.Values.Should().NotContain(v => v.IsOverflow);
        foreach (string name in (string[])["hw.gpu.memory.usage", "hw.gpu.memory.limit", "hw.status"])
            collected.Values.Where(v => v.Name == name && v.Lease is not null).Select(v => v.Lease).Distinct().Should().HaveCount(7, name);
    }

    public void Dispose() => _simulator.Dispose();

    private sealed class Collector : BaseExporter<Metric>
    {
        public List<(string Name, string? Lease, bool IsOverflow)> Values { get; private set; } = [];

        public override ExportResult Export(in Batch<Metric> batch)
        {
            Values = [];
            foreach (Metric metric in batch)
            {
                foreach (ref readonly MetricPoint point in metric.GetMetricPoints())
                {
                    string? lease = null;
                    bool isOverflow = false;
                    foreach (KeyValuePair<string, object?> tag in point.Tags)
                    {
                        lease = tag.Key == "nvml.mig.lease.id" ? (string?)tag.Value : lease;
                        isOverflow |= tag.Key == "otel.metric.overflow";
                    }

                    Values.Add((metric.Name, lease, isOverflow));
                }
            }

            return ExportResult.Success;
        }
    }
}
