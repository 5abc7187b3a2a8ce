using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Host;

namespace Nvml.Mig.Agent.Api;

/// <summary>Reads what uses instances: one reading at a time, whoever asks, since readings stop changes of GPUs.</summary>
internal sealed class UseReader(NvmlSession session) : IDisposable
{
    private readonly SemaphoreSlim _gate = new(1, 1);

    public async Task<T> ReadAsync<T>(Func<InstanceReader, T> read, bool withNodes, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            // Native calls block.
            InstanceReader reader = new(session, withNodes ? () => MigMinors.Read() : null);
            return await Task.Run(() => read(reader), CancellationToken.None);
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();
}
