using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Page;

/// <summary>Reads the machine now and then, so that there is a history when somebody looks.</summary>
internal sealed class UsageRecorder(GpuMonitor monitor, UsageHistory usage, TimeProvider time) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            // Native calls block. What fails is a status in the reading.
            await Task.Run(() => usage.Add(monitor.Read()), CancellationToken.None);
            await Task.Delay(UsageHistory.Interval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
