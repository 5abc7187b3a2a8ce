using System.Diagnostics;
using Nvml.Mig.Applying;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Tests.Monitoring;

/// <summary>The values that exporters collect: readings, durations, errors.</summary>
public class GpuMetricsTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void A_gpu_and_its_instances_have_series()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance instance = machine.Create("1g.18gb");
        string uuid = instance.CreateComputeInstance().GetMigDevice().Uuid;
        machine.Simulator.SetActivity(0, 40, instance.Id);
        using GpuMonitor monitor = new(machine.Session, time: _time);
        using GpuMetrics metrics = new(monitor, i => [new("nvml.mig.lease.id", $"lease of {i.Profile}")]);
        using MetricCollector collector = new();

        collector.Collect();
        _time.Pass(1);
        IReadOnlyList<MetricCollector.Value> values = collector.Collect();

        MetricCollector.Value Of(string name, string id) => values.Single(v => v.Name == name && v.Id == id);
        string gpu = machine.Gpu.Uuid;
        Of("hw.temperature", gpu).Number.Should().Be(machine.Gpu.GetTemperatureCelsius());
        Of("hw.gpu.memory.limit", gpu).Number.Should().Be(machine.Gpu.GetMemory().TotalBytes);
        Of("nvml.mig.mode", gpu).Number.Should().Be(1);
        Of("hw.gpu.utilization", uuid).Should().BeEquivalentTo(new
        {
            Number = 0.4,
            Tags = new Dictionary<string, string>
            {
                ["hw.id"] = uuid,
                ["hw.type"] = "gpu",
                ["hw.parent"] = gpu,
                ["nvml.mig.profile"] = "1g.18gb",
                ["nvml.mig.gpu_instance.id"] = $"{instance.Id}",
                ["nvml.mig.compute_instance.id"] = "0",
                ["nvml.mig.lease.id"] = "lease of 1g.18gb",
            },
        });
        values.Should().NotContain(v => v.Name == "hw.gpu.utilization" && v.Id == gpu, "with MIG there is no number for the whole");
    }

    [Fact]
    public void Without_gpm_no_activity_is_published()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB");
        machine.Create("1g.5gb").CreateComputeInstance();
        using GpuMonitor monitor = new(machine.Session, time: _time);
        using GpuMetrics metrics = new(monitor);
        using MetricCollector collector = new();

        collector.Collect();
        _time.Pass(1);
        string[] names = [.. collector.Collect().Select(v => v.Name)];

        names.Should().Contain("hw.gpu.memory.usage").And.NotContain(name => name.EndsWith(".utilization", StringComparison.Ordinal));
    }

    [Fact]
    public void A_vanished_instance_leaves_no_series()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB");
        GpuInstance instance = machine.Create("1g.10gb");
        MigDevice device = instance.CreateComputeInstance().GetMigDevice();
        using GpuMonitor monitor = new(machine.Session, time: _time);
        using GpuMetrics metrics = new(monitor);
        using MetricCollector collector = new();
        collector.Collect();
        machine.Simulator.RaiseXid(0, 94, device);
        _time.Pass(1);
        collector.Collect().Should().Contain(v => v.Name == "hw.errors" && v.Id == device.Uuid && v.Tags["error.type"] == "xid_94");

        machine.Simulator.SetFaults(NvmlFault.DestroyGpuInstance("nvmlDeviceGetMigMode", 0, instance.Id));
        _time.Pass(1);
        IReadOnlyList<MetricCollector.Value> values = collector.Collect();

        values.Should().NotContain(v => v.Id == device.Uuid);
        values.Should().Contain(v => v.Name == "hw.errors" && v.Id == machine.Gpu.Uuid && v.Number == 1);
    }

    [Fact]
    public void A_lost_gpu_has_its_status_and_nothing_else()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB*2");
        using GpuMonitor monitor = new(machine.Session, time: _time);
        using GpuMetrics metrics = new(monitor);
        using MetricCollector collector = new();
        collector.Collect();
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetMigMode") with { Gpu = 0 });
        _time.Pass(1);

        MetricCollector.Value[] values = [.. collector.Collect().Where(v => v.Id == machine.Gpu.Uuid)];

        values.Select(v => (v.Name, v.Tags["hw.state"], v.Number)).Should().BeEquivalentTo(
            new[] { ("hw.status", "ok", 0.0), ("hw.status", "degraded", 0.0), ("hw.status", "failed", 1.0) });
    }

    [Fact]
    public void A_closed_session_has_no_series()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using GpuMonitor monitor = new(machine.Session);
        using GpuMetrics metrics = new(monitor);
        using MetricCollector collector = new();
        monitor.Dispose();

        collector.Collect().Should().BeEmpty();
    }

    [Fact]
    public void Driver_errors_and_durations_are_recorded()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using MetricCollector collector = new();
        machine.Create("1g.5gb");
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstance", NvmlReturnCode.InsufficientResources));

        machine.Invoking(m => m.Create("1g.5gb")).Should().Throw<NvmlInsufficientResourcesException>();

        IReadOnlyList<MetricCollector.Value> values = collector.Collect();
        const string code = "NVML_ERROR_INSUFFICIENT_RESOURCES";
        values.Where(v => v.Name == "nvml.mig.operation.duration")
            .Select(v => (v.Tags["nvml.mig.operation"], v.Tags.GetValueOrDefault("error.type")))
            .Should().Equal(("create_gpu_instance", null), ("create_gpu_instance", code));
        values.Single(v => v.Name == "nvml.mig.driver.errors").Tags.Should().Equal(
            new Dictionary<string, string> { ["nvml.mig.function"] = "nvmlDeviceCreateGpuInstance", ["error.type"] = code });
    }

    [Fact]
    public async Task An_apply_and_its_steps_are_spans()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using TemporaryFolder folder = new();
        List<Activity> spans = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name == NvmlTelemetry.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(listener);
        using MetricCollector collector = new();

        await LayoutApplier.ApplyAsync(
            [new GpuTarget(machine.Gpu, LayoutSpec.Parse("1g.5gb"))], new ApplyOptions { JournalFolder = folder.Path });

        Activity apply = spans[^1];
        apply.OperationName.Should().Be("nvml.mig.apply");
        spans[..^1].Select(s => (s.OperationName, s.ParentId, s.GetTagItem("nvml.mig.step"), s.Status)).Should().Equal(
            ("nvml.mig.step", apply.Id, "create GPU instance 1g.5gb at 6:1", ActivityStatusCode.Unset),
            ("nvml.mig.step", apply.Id, "create compute instance 1g.5gb in GPU instance 1g.5gb at 6:1", ActivityStatusCode.Unset));
        collector.Collect().Where(v => v.Name == "nvml.mig.operation.duration").Select(v => v.Tags["nvml.mig.operation"]).Should().Equal(
            "create_gpu_instance", "step", "create_compute_instance", "step", "apply");
    }

    [Fact]
    public async Task A_failed_apply_says_so_in_its_span()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using TemporaryFolder folder = new();
        using MetricCollector collector = new();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlGpuInstanceCreateComputeInstance", NvmlReturnCode.Unknown));

        await LayoutApplier.ApplyAsync(
            [new GpuTarget(machine.Gpu, LayoutSpec.Parse("1g.5gb"))], new ApplyOptions { JournalFolder = folder.Path });

        collector.Collect().Last(v => v.Name == "nvml.mig.operation.duration").Tags.Should().Equal(
            new Dictionary<string, string> { ["nvml.mig.operation"] = "apply", ["error.type"] = "RolledBack" });
    }
}
