using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Api;

/// <summary>
/// Reads where leasing stands. Those who ask while it is read share the next reading, which is never older than their question.
/// </summary>
internal sealed class SharedReading(LeaseManager manager)
{
    private readonly Lock _lock = new();
    private Task<LeaseOverview> _running = Task.FromException<LeaseOverview>(new InvalidOperationException());
    private Task<LeaseOverview>? _next;

    public Task<LeaseOverview> ReadAsync()
    {
        lock (_lock)
        {
            if (_running.IsCompleted && _next is null)
                return _running = manager.ReadAsync();
            return _next ??= ReadAfterAsync(_running);
        }
    }

    private async Task<LeaseOverview> ReadAfterAsync(Task running)
    {
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        lock (_lock)
        {
            _running = _next!;
            _next = null;
        }

        return await manager.ReadAsync();
    }
}
