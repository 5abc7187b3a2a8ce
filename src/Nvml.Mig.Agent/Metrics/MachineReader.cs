using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Metrics;

/// <summary>One reading for all who ask at the same time: native calls block, and would block a thread for each of them.</summary>
internal sealed class MachineReader(GpuMonitor monitor)
{
    private readonly Lock _lock = new();
    private Task<MachineReading>? _running;

    public Task<MachineReading> ReadAsync()
    {
        lock (_lock)
            return _running is { IsCompleted: false } ? _running : _running = Task.Run(() => monitor.Read());
    }
}
