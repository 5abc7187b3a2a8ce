using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Leasing;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Metrics;

/// <summary>
/// Publishes GPUs, MIG devices with their owners, and leases as long as the agent runs. Nothing is read before somebody collects.
/// </summary>
internal sealed class MetricsPublisher : IHostedService, IDisposable
{
    private readonly LeaseReader _reader;
    private readonly LeaseMetrics _leases;
    private readonly GpuMetrics _gpus;

    /// <summary>Takes the manager, though it does not use it: the book that is read is there once that is open.</summary>
    public MetricsPublisher(
        LeaseManager manager, NvmlSession session, GpuMonitor monitor, IOptions<AgentOptions> options, TimeProvider time)
    {
        _ = manager;
        _reader = LeaseReader.Open(new LeaseOptions { JournalFolder = options.Value.Leasing.JournalFolder, TimeProvider = time });
        _leases = new LeaseMetrics(_reader, time, session);
        _gpus = new GpuMetrics(monitor, _leases.Describe, _leases.IsFit);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose()
    {
        _gpus.Dispose();
        _leases.Dispose();
        _reader.Dispose();
    }
}
