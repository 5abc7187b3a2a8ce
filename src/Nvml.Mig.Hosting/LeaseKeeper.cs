using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Hosting;

/// <summary>Brings about what is due, tells observers, and puts instances with a fault aside, as long as the host runs.</summary>
internal sealed partial class LeaseKeeper(
    LeaseManager manager,
    IOptions<LeaseHostingOptions> options,
    IEnumerable<ILeaseObserver> observers,
    TimeProvider time,
    ILogger<LeaseKeeper> logger) : BackgroundService
{
    private static readonly TimeSpan MaxPause = TimeSpan.FromMinutes(1);

    private readonly ILeaseObserver[] _observers = [.. observers];
    private readonly DateTimeOffset _start = time.GetUtcNow();
    private long _last;

    /// <summary>Why leases are not kept just now; null if they are.</summary>
    public Exception? Problem { get; private set; }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        RepeatAsync(WatchAsync, failure => Problem = failure, stoppingToken),
        options.Value.WatchFaults ? RepeatAsync(WatchFaultsAsync, _ => { }, stoppingToken) : Task.CompletedTask);

    /// <summary>Does it again after a failure: after one second, then after longer and longer.</summary>
    private async Task RepeatAsync(Func<CancellationToken, Task> work, Action<Exception> note, CancellationToken stoppingToken)
    {
        TimeSpan pause = TimeSpan.FromSeconds(1);
        while (true)
        {
            DateTimeOffset since = time.GetUtcNow();
            try
            {
                await work(stoppingToken).ConfigureAwait(false);
                return;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // The keeper goes on after any failure: nobody else keeps leases, and the host would not notice its end.
            catch (Exception e)
#pragma warning restore CA1031
            {
                if (time.GetUtcNow() - since > MaxPause)
                    pause = TimeSpan.FromSeconds(1);
                note(e);
                LogFailure(e.Message, pause);
                await Task.Delay(pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = pause * 2 < MaxPause ? pause * 2 : MaxPause;
            }
        }
    }

    private async Task WatchAsync(CancellationToken stoppingToken)
    {
        // The first look goes through: what has failed before has passed.
        await manager.ReadAsync(stoppingToken).ConfigureAwait(false);
        Problem = null;
        await foreach (LeaseEvent happened in manager.WatchAsync(_last, stoppingToken).ConfigureAwait(false))
        {
            _last = happened.Sequence;
            if (happened.Time >= _start)
                LogEvent(happened.Kind, happened.Lease, happened.Generation, happened.Message);
            foreach (ILeaseObserver observer in _observers)
                Tell(observer, happened);
        }
    }

    private async Task WatchFaultsAsync(CancellationToken stoppingToken)
    {
        try
        {
            await manager.WatchFaultsAsync(stoppingToken).ConfigureAwait(false);
        }
        catch (NvmlNotSupportedException)
        {
            LogNoFaults();
        }
    }

    /// <summary>A fault of one observer keeps no other from being told.</summary>
    private void Tell(ILeaseObserver observer, LeaseEvent happened)
    {
        try
        {
            observer.OnEvent(happened);
        }
#pragma warning disable CA1031 // It is the host's code.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogObserver(e, observer.GetType().Name, happened.Sequence);
        }
    }

    [LoggerMessage(30, LogLevel.Information, "{Kind}: lease {Lease}, generation {Generation}. {Message}")]
    private partial void LogEvent(LeaseEventKind kind, string lease, long generation, string message);

    [LoggerMessage(31, LogLevel.Warning, "Leases are not kept, which is tried again in {Pause}: {Message}")]
    private partial void LogFailure(string message, TimeSpan pause);

    [LoggerMessage(32, LogLevel.Information, "No GPU of this machine reports faults: nothing is put aside by itself.")]
    private partial void LogNoFaults();

    [LoggerMessage(33, LogLevel.Error, "{Observer} failed on event {Sequence}.")]
    private partial void LogObserver(Exception exception, string observer, long sequence);
}
