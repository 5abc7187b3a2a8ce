namespace Nvml.Mig.Tests.Devices;

public class EventTests
{
    [Fact]
    public async Task What_one_reading_leaves_the_next_has()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using GpuEventWatcher watcher = machine.Session.WatchEvents();
        for (int xid = 1; xid <= 3; xid++)
            machine.Simulator.RaiseXid(0, xid);

        (await Read(watcher, 1)).Select(e => e.Xid).Should().Equal(1);
        (await Read(watcher, 2)).Select(e => e.Xid).Should().Equal(2, 3);
    }

    [Fact]
    public async Task A_lost_gpu_does_not_keep_others_from_being_watched()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*2");
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetTemperature"));
        machine.Gpu.Invoking(g => g.GetTemperatureCelsius()).Should().Throw<NvmlException>();
        using GpuEventWatcher watcher = machine.Session.WatchEvents();
        machine.Simulator.RaiseXid(1, 31);

        (await Read(watcher, 2)).Select(e => e.Kind).Should().BeEquivalentTo([GpuEventKinds.GpuLost, GpuEventKinds.Xid]);
    }

    [Fact]
    public async Task A_loss_that_no_gpu_owns_up_to_is_an_error()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        using GpuEventWatcher watcher = machine.Session.WatchEvents();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlEventSetWait_v2", NvmlReturnCode.GpuIsLost));

        (await FluentActions.Awaiting(() => Read(watcher, 1)).Should().ThrowAsync<NvmlException>()).Which.Code.Should()
            .Be(NvmlReturnCode.GpuIsLost);
    }

    [Fact]
    public async Task A_lost_gpu_does_not_keep_the_processor_busy()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        using GpuEventWatcher watcher = machine.Session.WatchEvents();
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetTemperature"));
        machine.Gpu.Invoking(g => g.GetTemperatureCelsius()).Should().Throw<NvmlException>();
        using CancellationTokenSource cancelled = new(TimeSpan.FromMilliseconds(500));

        await FluentActions.Awaiting(() => Read(watcher, 2, cancelled.Token)).Should().ThrowAsync<OperationCanceledException>();

        machine.Simulator.GetCallCount("nvmlEventSetWait_v2").Should().BeLessThan(15);
    }

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task What_happens_is_told_in_order_with_the_instances_it_is_about()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        using GpuEventWatcher watcher = machine.Session.WatchEvents();
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        machine.Simulator.RaiseXid(1, 79);
        machine.Simulator.RaiseXid(0, 94, device);

        List<GpuEvent> events = await Read(watcher, 4);

        events.Select(e => e.Kind).Should().Equal(
            GpuEventKinds.MigConfigChange, GpuEventKinds.MigConfigChange, GpuEventKinds.Xid, GpuEventKinds.Xid);
        events[2].Should().Be(new GpuEvent(machine.Session.Devices[1], GpuEventKinds.Xid, 79, null, null));
        events[3].Xid.Should().Be(94);
        events[3].ToString().Should().Be($"Xid 94 on {machine.Gpu}, GPU instance 2, compute instance 0");
    }

    [Fact]
    public async Task Only_the_gpus_and_kinds_asked_for_are_watched()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        using GpuEventWatcher watcher = machine.Session.WatchEvents(GpuEventKinds.Xid, [machine.Session.Devices[1]]);
        machine.Create("1g.5gb");
        machine.Simulator.RaiseXid(0, 13);
        machine.Simulator.RaiseXid(1, 31);

        (await Read(watcher, 1)).Should().ContainSingle().Which.Xid.Should().Be(31);
    }

    [Fact]
    public async Task Cancelling_ends_the_waiting()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using GpuEventWatcher watcher = machine.Session.WatchEvents();
        using CancellationTokenSource cancelled = new(TimeSpan.FromMilliseconds(50));

        await FluentActions.Awaiting(() => Read(watcher, 1, cancelled.Token)).Should().ThrowAsync<OperationCanceledException>();

        long calls = machine.Simulator.GetCallCount("nvmlEventSetWait_v2");
        await Task.Delay(250);
        machine.Simulator.GetCallCount("nvmlEventSetWait_v2").Should().Be(calls, "nobody waits any more");
    }

    [Fact]
    public async Task Disposing_of_the_watcher_ends_the_reading()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuEventWatcher watcher = machine.Session.WatchEvents();
        Task<List<GpuEvent>> reading = Read(watcher, int.MaxValue);

        watcher.Dispose();

        (await reading.WaitAsync(Timeout)).Should().BeEmpty();
        machine.Simulator.GetCallCount("nvmlEventSetFree").Should().Be(1);
    }

    [Fact]
    public async Task Closing_the_session_ends_the_reading_with_an_error()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        NvmlSession session = NvmlSession.Open(machine.Simulator.LibraryPath);
        using GpuEventWatcher watcher = session.WatchEvents();
        Task<List<GpuEvent>> reading = Read(watcher, int.MaxValue);

        session.Dispose();

        await reading.Awaiting(r => r.WaitAsync(Timeout)).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task Each_event_comes_once_so_two_cannot_read()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using GpuEventWatcher watcher = machine.Session.WatchEvents();
        Task<List<GpuEvent>> reading = Read(watcher, 1);

        await FluentActions.Awaiting(() => Read(watcher, 1))
            .Should().ThrowAsync<InvalidOperationException>().WithMessage("The events of this watcher are being read already*");

        machine.Simulator.RaiseXid(0, 13);
        (await reading).Should().ContainSingle();
        machine.Simulator.RaiseXid(0, 31);
        (await Read(watcher, 1)).Should().ContainSingle("a reader that has ended makes room for the next").Which.Xid.Should().Be(31);
    }

    [Fact]
    public async Task A_lost_gpu_is_told_once_and_the_others_are_watched_on()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*2");
        using GpuEventWatcher watcher = machine.Session.WatchEvents();
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetTemperature"));
        machine.Gpu.Invoking(g => g.GetTemperatureCelsius())
            .Should().Throw<NvmlException>().Which.Code.Should().Be(NvmlReturnCode.GpuIsLost);
        Task<List<GpuEvent>> reading = Read(watcher, 2);
        while (!reading.IsCompleted && machine.Simulator.GetCallCount("nvmlEventSetWait_v2") < 4)
            await Task.Delay(10);
        machine.Simulator.RaiseXid(1, 31);

        List<GpuEvent> events = await reading;

        events[0].Should().Be(new GpuEvent(machine.Gpu, GpuEventKinds.GpuLost, 0, null, null));
        events[1].Xid.Should().Be(31);
    }

    [Fact]
    public void A_gpu_without_mig_has_no_mig_events()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("T4", migEnabled: false);

        machine.Gpu.GetSupportedEvents().Should().HaveFlag(GpuEventKinds.Xid).And.NotHaveFlag(GpuEventKinds.MigConfigChange);
        machine.Session.Invoking(s => s.WatchEvents(GpuEventKinds.MigConfigChange)).Should().Throw<NvmlNotSupportedException>()
            .WithMessage("None of these GPUs reports events of the kinds MigConfigChange (NVML_ERROR_NOT_SUPPORTED, 3).");
    }

    private static async Task<List<GpuEvent>> Read(GpuEventWatcher watcher, int count, CancellationToken cancellationToken = default)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Timeout);
        List<GpuEvent> events = [];
        await foreach (GpuEvent happened in watcher.ReadAllAsync(patience.Token))
        {
            events.Add(happened);
            if (events.Count == count)
                break;
        }

        return events;
    }
}
