using System.Diagnostics;
using Nvml.Mig.Interop;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>Waiting for events holds up the process's other waits, as driver 580 does: so the library never waits in the driver.</summary>
public sealed class EventWaitTests : IDisposable
{
    private readonly NvmlSimulator _simulator = NvmlSimulator.Start("H200");
    private readonly NvmlSession _session;

    public EventWaitTests() => _session = NvmlSession.Open(_simulator.LibraryPath);

    public void Dispose()
    {
        _session.Dispose();
        _simulator.Dispose();
    }

    [Fact]
    public async Task A_wait_holds_up_those_of_other_sets()
    {
        nvmlEventSet_t first = Create(), second = Create();
        Task waiting = Task.Run(() => Wait(first, 1000));
        await Eventually.HoldsAsync(() => _simulator.GetCallCount("nvmlEventSetWait_v2").Should().Be(1));
        Stopwatch time = Stopwatch.StartNew();

        Wait(second, 0);

        time.ElapsedMilliseconds.Should().BeGreaterThan(100);
        await waiting;
        LibNvml.nvmlEventSetFree(first);
        LibNvml.nvmlEventSetFree(second);
    }

    [Fact]
    public async Task A_watcher_holds_up_no_other()
    {
        using CancellationTokenSource end = new();
        using GpuEventWatcher first = _session.WatchEvents(GpuEventKinds.Xid);
        Task reading = Task.Run(async () =>
        {
            await foreach (GpuEvent _ in first.ReadAllAsync(end.Token))
            {
                // None comes.
            }
        });
        await Task.Delay(100);
        Stopwatch time = Stopwatch.StartNew();

        for (int i = 0; i < 20; i++)
            _session.WatchEvents(GpuEventKinds.Xid).Dispose();

        time.ElapsedMilliseconds.Should().BeLessThan(1000, "with a wait of 100 ms in the driver it would be 2000");
        await end.CancelAsync();
        await reading.Awaiting(r => r).Should().ThrowAsync<OperationCanceledException>();
    }

    private static unsafe nvmlEventSet_t Create()
    {
        nvmlEventSet_t set;
        LibNvml.nvmlEventSetCreate(&set);
        return set;
    }

    private static unsafe void Wait(nvmlEventSet_t set, uint milliseconds)
    {
        nvmlEventData_t data;
        LibNvml.nvmlEventSetWait_v2(set, &data, milliseconds);
    }
}
