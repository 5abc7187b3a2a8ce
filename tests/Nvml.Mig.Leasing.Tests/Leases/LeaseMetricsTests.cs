using System.Diagnostics;
using System.Reflection;
using Nvml.Mig.Monitoring;
using Nvml.Mig.Tests.Monitoring;
using static Nvml.Mig.Leasing.Tests.Leases.LeaseMachine;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>The book read by those who have no right to change anything, and the metrics made of it.</summary>
public class LeaseMetricsTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public async Task The_book_is_read_without_a_turn_and_without_gpus()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        using LeaseReader reader = LeaseReader.Open(machine.Options);
        reader.Read().Leases.Should().BeEmpty();
        await manager.ClaimAsync(Want("train", "7g.40gb"), LeaseHold.UntilReleased);
        Task<GrantedLease> waits = manager.ClaimAsync(Want("next", "1g.5gb"), LeaseHold.UntilReleased);
        while (reader.Read().Waiting is not [{ Position: 1 }])
            await Task.Delay(5);
        using Applying.ChangeLock taken = await Applying.ChangeLock.TakeAsync(machine.JournalFolder, TimeSpan.FromSeconds(10));
        long calls = machine.Simulator.GetCallCount();

        LeaseOverview overview = reader.Read();

        overview.Leases.Single().Id.Should().Be("train");
        overview.Waiting.Single().Message.Should().StartWith("There is no free place for 1g.5gb.");
        overview.Queues.Single().Allocated.Should().Be(new Slices(7, 8));
        machine.Simulator.GetCallCount().Should().Be(calls);
        taken.Dispose();
        await manager.ReleaseAsync("train");
        await waits;
    }

    [Fact]
    public async Task A_reader_sees_what_others_write()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        using LeaseReader reader = LeaseReader.Open(machine.Options);
        LeaseOverview before = reader.Read();

        reader.Read().Should().BeSameAs(before);
        await manager.ClaimAsync(Want("train", "1g.5gb"), LeaseHold.UntilReleased);

        reader.Read().Leases.Should().HaveCount(1);
        reader.ReadEvents(0).Single().Should().BeEquivalentTo(
            new { Kind = LeaseEventKind.Granted, Queue = "default", Origin = GrantOrigin.Created });
        reader.ReadLastEvent().Should().Be(1);
    }

    [Fact]
    public void Without_a_book_there_is_nothing_to_read()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;

        foreach (string place in (string[])[folder, Path.Combine(folder, "absent")])
        {
            Action open = () => LeaseReader.Open(new LeaseOptions { JournalFolder = place });
            open.Should().Throw<LeaseException>().Which.Error.Should().Be(LeaseError.NotFound);
        }

        Directory.GetFiles(folder).Should().BeEmpty("a reader creates nothing");
        Directory.Delete(folder);
    }

    [Fact]
    public async Task Leases_and_waiting_claims_are_counted_by_queue()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.SetQueueAsync(new LeaseQueue("team") { Quota = new Slices(3, 4) });
        using LeaseReader reader = LeaseReader.Open(machine.Options);
        using LeaseMetrics metrics = new(reader, _time);
        using MetricCollector collector = new();
        await manager.ClaimAsync(Want("a", "1g.5gb", count: 2), LeaseHold.UntilReleased);
        await manager.ClaimAsync(Want("b", "3g.20gb", queue: "team"), LeaseHold.UntilReleased);
        Task<GrantedLease> waits = manager.ClaimAsync(Want("c", "3g.20gb"), LeaseHold.UntilReleased);
        while (reader.Read().Waiting is not [{ Position: 1 }])
            await Task.Delay(5);

        MetricCollector.Value[] values = [.. collector.Collect()];

        Number(values, "nvml.mig.leases", "default").Should().Be(1);
        Number(values, "nvml.mig.lease.instances", "default", ("nvml.mig.profile", "1g.5gb")).Should().Be(2);
        Number(values, "nvml.mig.lease.instances", "team", ("nvml.mig.profile", "3g.20gb")).Should().Be(1);
        Number(values, "nvml.mig.claims", "default", ("nvml.mig.wait.reason", "no_place")).Should().Be(1);
        Number(values, "nvml.mig.queue.quota", "team", ("nvml.mig.resource", "memory")).Should().Be(4);
        Number(values, "nvml.mig.queue.quota", "default", ("nvml.mig.resource", "memory")).Should().BeNull("it has none");
        Number(values, "nvml.mig.queue.allocation", "team", ("nvml.mig.resource", "compute")).Should().Be(3);
        Number(values, "nvml.mig.queue.fair_share", "default", ("nvml.mig.resource", "compute")).Should().Be(5);
        Number(values, "nvml.mig.slices", null, ("hw.id", machine.Gpu.Uuid), ("nvml.mig.slice.use", "leased")).Should().Be(6);
        Number(values, "nvml.mig.slices", null, ("nvml.mig.slice.use", "free")).Should().Be(2);
        await manager.ReleaseAsync("b");
        await waits;
    }

    [Fact]
    public async Task Grants_waits_and_ends_of_all_processes_are_counted()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("before", "1g.5gb"), LeaseHold.UntilReleased);
        using LeaseReader reader = LeaseReader.Open(machine.Options);
        using LeaseMetrics metrics = new(reader, _time);
        using MetricCollector collector = new();
        collector.Collect();
        await manager.ReleaseAsync("before");
        using (LeaseManager other = await LeaseManager.OpenAsync(machine.Session, machine.Options))
        {
            await other.ClaimAsync(Want("reused", "1g.5gb"), LeaseHold.UntilReleased);
            await other.ReleaseAsync("reused");
            await other.ClaimAsync(Want("evicted", "7g.40gb"), LeaseHold.UntilReleased);
        }

        _time.Pass(1);
        MetricCollector.Value[] values = [.. collector.Collect()];

        Number(values, "nvml.mig.lease.grants", "default", ("nvml.mig.lease.origin", "reused")).Should().Be(1);
        Number(values, "nvml.mig.lease.grants", "default", ("nvml.mig.lease.origin", "evicted")).Should().Be(1);
        Number(values, "nvml.mig.lease.grants", "default", ("nvml.mig.lease.origin", "created")).Should().BeNull("that was before");
        Number(values, "nvml.mig.lease.ends", "default", ("nvml.mig.lease.end.reason", "released")).Should().Be(2);
        values.Count(v => v.Name == "nvml.mig.lease.wait.duration").Should().Be(2);
    }

    [Fact]
    public async Task Free_slices_that_no_large_instance_can_have()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.5gb"), new Placement(2, 1)).CreateComputeInstance();
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.5gb"), new Placement(6, 1)).CreateComputeInstance();
        using LeaseManager other = await LeaseManager.OpenAsync(machine.Session, machine.Options with { ReadInterval = TimeSpan.Zero });
        await other.TryClaimAsync(Want("large", "7g.40gb"), LeaseHold.UntilReleased);
        using LeaseReader reader = LeaseReader.Open(machine.Options);
        using LeaseMetrics metrics = new(reader, _time);
        using MetricCollector collector = new();

        MetricCollector.Value[] values = [.. collector.Collect()];

        // 2g fits at 0 and 4; slices 3 and 7 are too single for it.
        Number(values, "nvml.mig.slices", null, ("nvml.mig.slice.use", "foreign")).Should().Be(2);
        Number(values, "nvml.mig.slices", null, ("nvml.mig.slice.use", "free")).Should().Be(6);
        Number(values, "nvml.mig.slices.fragmented", null).Should().Be(4);
    }

    [Fact]
    public async Task Values_of_an_instance_have_its_owner_while_it_is_leased()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        Claim claim = Want("train", "1g.5gb") with { Owner = new LeaseOwner(1000, "slurm:7") };
        string uuid = (await manager.ClaimAsync(claim, LeaseHold.UntilReleased)).Instances[0].MigUuid;
        using LeaseReader reader = LeaseReader.Open(machine.Options);
        using LeaseMetrics leases = new(reader, _time);
        using GpuMonitor monitor = new(machine.Session, time: _time);
        using GpuMetrics metrics = new(monitor, leases.Describe);
        using MetricCollector collector = new();

        Dictionary<string, string> Tags() => collector.Collect().Single(v => v.Name == "hw.gpu.memory.usage" && v.Id == uuid).Tags;

        Tags().Should().Contain(new Dictionary<string, string>
        {
            ["nvml.mig.lease.id"] = "train",
            ["nvml.mig.queue"] = "default",
            ["nvml.mig.owner.uid"] = "1000",
            ["nvml.mig.owner.label"] = "slurm:7",
        });
        await manager.ReleaseAsync("train");
        _time.Pass(1);
        Tags().Should().NotContainKey("nvml.mig.lease.id");
    }

    [Fact]
    public async Task An_instance_that_was_put_aside_is_failed()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        GrantedLease lease = await manager.ClaimAsync(Want("train", "1g.5gb", count: 2), LeaseHold.UntilReleased);
        using LeaseReader reader = LeaseReader.Open(machine.Options);
        using LeaseMetrics leases = new(reader, _time);
        using GpuMonitor monitor = new(machine.Session, time: _time);
        using GpuMetrics metrics = new(monitor, leases.Describe, leases.IsFit);
        using MetricCollector collector = new();

        await manager.QuarantineAsync(lease.Instances[0].Place, "Xid 94");

        MetricCollector.Value[] values = [.. collector.Collect().Where(v => v.Name == "hw.status")];
        StateOf(lease.Instances[0].MigUuid).Should().Be("failed");
        StateOf(lease.Instances[1].MigUuid).Should().Be("ok");

        string StateOf(string uuid) => values.Single(v => v.Id == uuid && v.Number == 1).Tags["hw.state"];
    }

    [Fact]
    public async Task A_claim_and_its_turn_are_spans()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        List<Activity> spans = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name == NvmlTelemetry.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(listener);

        await manager.ClaimAsync(Want("train", "1g.5gb"), LeaseHold.UntilReleased);

        Activity claim = spans.Single(s => s.OperationName == "nvml.mig.claim" && Equals(s.GetTagItem("nvml.mig.lease.id"), "train"));
        spans.Should().Contain(s => s.OperationName == "nvml.mig.turn" && s.ParentId == claim.Id);
    }

    [Fact]
    public async Task The_page_lists_every_instrument_of_leases()
    {
        using LeaseMachine machine = new();
        await machine.OpenAsync();
        using LeaseReader reader = LeaseReader.Open(machine.Options);
        using MetricCollector collector = new();
        using LeaseMetrics metrics = new(reader);
        string root = typeof(LeaseMetricsTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(a => a.Key == "Repository").Value!;

        collector.Instruments.Values.Where(i => i.Name is not ("nvml.mig.operation.duration" or "nvml.mig.driver.errors"))
            .Select(MetricsPage.Describe)
            .Should().BeEquivalentTo(
                MetricsPage.InstrumentsOf(Path.Combine(root, "docs/metrics.md"), "Leases, by LeaseMetrics of Nvml.Mig.Leasing"));
    }

    private static double? Number(
        IEnumerable<MetricCollector.Value> values, string name, string? queue, params (string Name, string Value)[] tags) =>
        values.SingleOrDefault(v => v.Name == name
            && (queue is null || v.Tags["nvml.mig.queue"] == queue)
            && tags.All(t => v.Tags.GetValueOrDefault(t.Name) == t.Value))?.Number;
}
