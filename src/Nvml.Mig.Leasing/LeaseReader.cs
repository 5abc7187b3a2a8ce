using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing;

/// <summary>
/// Reads the book of leases, and nothing else: it takes no lock that a <see cref="LeaseManager"/> waits for, asks no GPU and changes
/// nothing. What it shows is as of the last turn of whoever had one. For any number of threads at once.
/// </summary>
/// <example>
/// <code>
/// using LeaseReader reader = LeaseReader.Open();
/// foreach (GrantedLease lease in reader.Read().Leases)
///     Console.WriteLine(lease); // train-1 (3g.20gb at 4:4 of GPU-... (MIG-...))
/// </code>
/// </example>
public sealed class LeaseReader : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Book _book = new();
    private readonly LeaseStore _store;
    private readonly LeaseOptions _options;
    private Scheduler? _scheduler;
    private LeaseOverview? _last;
    private long _version = -1;

    private LeaseReader(LeaseStore store, LeaseOptions options) => (_store, _options) = (store, options);

    /// <summary>Opens the book.</summary>
    /// <param name="options">Where it is, and the clock.</param>
    /// <exception cref="LeaseException">There is none (<see cref="LeaseError.NotFound"/>), or it cannot be read, as by users.</exception>
    public static LeaseReader Open(LeaseOptions? options = null)
    {
        options ??= new LeaseOptions();
        return new LeaseReader(LeaseStore.OpenToRead(options.JournalFolder), options);
    }

    /// <summary>Leases, who waits and why, queues and what is theirs, reservations, and the GPUs.</summary>
    /// <exception cref="LeaseException">The book cannot be read.</exception>
    public LeaseOverview Read()
    {
        lock (_lock)
        {
            long version = _store.ReadVersion();
            if (_last is not null && version == _version)
                return _last;
            SchedulerOptions policy = _book.State.Policy;
            _store.Load(_book);
            _version = version;
            if (_scheduler is null || policy != _book.State.Policy)
                _scheduler = new Scheduler(_book.State.Policy);
            // The shares, by the book as it is; what is decided beside them nobody does.
            return _last = BookView.ToOverview(
                _book, _scheduler.Decide(BookView.ToInput(_book, _options.TimeProvider.GetUtcNow())));
        }
    }

    /// <summary>The events after an event, as far as the book still has them (10,000).</summary>
    /// <param name="after">The <see cref="LeaseEvent.Sequence"/> of the event; 0: all.</param>
    /// <exception cref="LeaseException">The book cannot be read.</exception>
    public IReadOnlyList<LeaseEvent> ReadEvents(long after)
    {
        lock (_lock)
            return _store.ReadEvents(after);
    }

    /// <summary>The <see cref="LeaseEvent.Sequence"/> of the last event; 0 if there is none.</summary>
    /// <exception cref="LeaseException">The book cannot be read.</exception>
    public long ReadLastEvent()
    {
        lock (_lock)
            return _store.ReadLastEvent();
    }

    /// <summary>The slices of memory of each GPU of the pool, and what they are used for.</summary>
    internal IReadOnlyList<GpuSlices> ReadSlices()
    {
        lock (_lock)
        {
            LeaseOverview overview = Read();
            return [.. overview.Gpus
                .Select(gpu => (gpu, Entry: _book.Gpus.Find(gpu.Uuid)!))
                .Where(g => g.Entry is { HasMig: true, Geometry.Length: > 0 })
                .Select(g => GpuSlices.Count(g.gpu, _book.GeometryOf(g.Entry), overview.Leases))];
        }
    }

    /// <summary>Closes the book.</summary>
    public void Dispose()
    {
        lock (_lock)
            _store.Dispose();
    }
}
