using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Events;

/// <summary>
/// Waits at the start until the events of the book are known: a reader that comes back before would be told that some are missing.
/// </summary>
internal sealed class EventRecall(EventHub hub, IOptions<AgentOptions> options) : IHostedService
{
    /// <summary>Long enough for all that the book keeps. If leases cannot be kept, nothing comes.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        long last = ReadLast();
        DateTimeOffset end = DateTimeOffset.UtcNow + Longest;
        while (hub.Last < last && DateTimeOffset.UtcNow < end)
            await Task.Delay(10, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private long ReadLast()
    {
        try
        {
            using LeaseReader book = LeaseReader.Open(new LeaseOptions { JournalFolder = options.Value.Leasing.JournalFolder });
            return book.ReadLastEvent();
        }
        catch (LeaseException)
        {
            return 0; // There is no book yet, or the health check says what is wrong with it.
        }
    }
}
