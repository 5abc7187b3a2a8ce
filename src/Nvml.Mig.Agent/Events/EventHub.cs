using System.Threading.Channels;
using Nvml.Mig.Hosting;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Events;

/// <summary>The events, for readers who follow and for readers who come back. It holds a bounded number for each.</summary>
internal sealed class EventHub : ILeaseObserver
{
    /// <summary>As many as the book keeps.</summary>
    private const int MaxKept = 10_000;

    private readonly Lock _lock = new();
    private readonly Queue<LeaseEvent> _kept = new();
    private readonly HashSet<EventReader> _readers = [];
    private readonly Dictionary<string, (TaskCompletionSource Happened, int Waiters)> _waiters = new(StringComparer.Ordinal);

    public long Last { get; private set; }

    public void OnEvent(LeaseEvent happened)
    {
        EventReader[] readers;
        lock (_lock)
        {
            Last = happened.Sequence;
            _kept.Enqueue(happened);
            if (_kept.Count > MaxKept)
                _kept.Dequeue();
            readers = [.. _readers];
        }

        foreach (EventReader reader in readers)
            reader.Add(happened);
        Wake(happened.Lease);
    }

    /// <summary>The events after an event that are still known. False if some are not known any more.</summary>
    public bool TryRead(long after, out IReadOnlyList<LeaseEvent> events)
    {
        lock (_lock)
        {
            events = [.. _kept.Where(e => e.Sequence > after)];
            return after <= Last && (!_kept.TryPeek(out LeaseEvent? first) || first.Sequence <= after + 1);
        }
    }

    /// <summary>The events of a lease.</summary>
    public IReadOnlyList<LeaseEvent> ReadOf(string lease)
    {
        lock (_lock)
            return [.. _kept.Where(e => e.Lease == lease)];
    }

    /// <summary>The last ones, the latest first.</summary>
    public IReadOnlyList<LeaseEvent> ReadLatest(int count)
    {
        lock (_lock)
            return [.. _kept.Reverse().Take(count)];
    }

    /// <summary>Begins to read.</summary>
    public EventReader Open()
    {
        EventReader reader = new(this);
        lock (_lock)
            _readers.Add(reader);
        return reader;
    }

    public void Close(EventReader reader)
    {
        lock (_lock)
            _readers.Remove(reader);
    }

    /// <summary>Waits until something happens to a lease or a claim, for a time. The caller looks then.</summary>
    public async Task WaitAsync(string lease, TimeSpan time, CancellationToken cancellationToken)
    {
        Task happened;
        lock (_lock)
        {
            (TaskCompletionSource Happened, int Waiters) entry = _waiters.TryGetValue(lease, out (TaskCompletionSource, int) there)
                ? there
                : (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), 0);
            _waiters[lease] = entry with { Waiters = entry.Waiters + 1 };
            happened = entry.Happened.Task;
        }

        await happened.WaitAsync(time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            if (!_waiters.TryGetValue(lease, out (TaskCompletionSource Happened, int Waiters) entry) || entry.Happened.Task != happened)
                return;
            if (entry.Waiters == 1)
                _waiters.Remove(lease);
            else
                _waiters[lease] = entry with { Waiters = entry.Waiters - 1 };
        }
    }

    /// <summary>Lets those look who wait for a lease or a claim.</summary>
    public void Wake(string lease)
    {
        lock (_lock)
        {
            if (_waiters.Remove(lease, out (TaskCompletionSource Happened, int Waiters) entry))
                entry.Happened.SetResult();
        }
    }
}

/// <summary>One who reads events. Whoever does not read as fast as they happen is dropped, and told so.</summary>
internal sealed class EventReader(EventHub hub) : IDisposable
{
    /// <summary>How far behind a reader may be.</summary>
    public const int MaxBehind = 256;

    private readonly Channel<LeaseEvent> _channel = Channel.CreateBounded<LeaseEvent>(
        new BoundedChannelOptions(MaxBehind) { SingleReader = true, SingleWriter = true });

    /// <summary>Whether it was too slow: nothing more comes after what it has.</summary>
    public bool IsDropped { get; private set; }

    public ChannelReader<LeaseEvent> Events => _channel.Reader;

    public void Add(LeaseEvent happened)
    {
        if (IsDropped || _channel.Writer.TryWrite(happened))
            return;
        IsDropped = true;
        _channel.Writer.TryComplete();
        hub.Close(this);
    }

    public void Dispose()
    {
        hub.Close(this);
        _channel.Writer.TryComplete();
    }
}
