using System.Diagnostics.Metrics;
using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Leasing.Scheduling;
using Nvml.Mig.Monitoring;
using Tag = System.Collections.Generic.KeyValuePair<string, object?>;

namespace Nvml.Mig.Leasing;

/// <summary>
/// Publishes leases, queues and who waits as metrics of the meter <see cref="NvmlTelemetry.SourceName"/>: docs/metrics.md lists them. They
/// are of the whole machine, whichever process grants leases. The book is read at most once a second.
/// </summary>
/// <example>
/// <code>
/// using LeaseReader reader = LeaseReader.Open();
/// using LeaseMetrics leases = new(reader);
/// using GpuMonitor monitor = new(session);
/// using GpuMetrics metrics = new(monitor, leases.Describe, leases.IsFit); // The values of instances have their owners.
/// </code>
/// </example>
public sealed class LeaseMetrics : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Meter _meter = new(NvmlTelemetry.SourceName);
    private readonly RenewedMeter _fractions;
    private readonly LeaseReader _reader;
    private readonly NvmlSession? _session;
    private readonly TimeProvider _time;
    private readonly Histogram<double> _waits;
    private readonly Dictionary<(string Queue, GrantOrigin Origin), long> _grants = [];
    private readonly Dictionary<(string Queue, LeaseEndReason Reason), long> _ends = [];
    private State _state = State.Empty;
    private long _lastEvent;
    private long? _read;

    /// <summary>Begins to publish. Grants and ends are counted from now on.</summary>
    /// <param name="reader">The book. The caller disposes of it.</param>
    /// <param name="time">The clock; by default the system's.</param>
    /// <param name="session">Reads the memory that fractions use; null: that has no values.</param>
    /// <exception cref="LeaseException">The book cannot be read.</exception>
    public LeaseMetrics(LeaseReader reader, TimeProvider? time = null, NvmlSession? session = null)
    {
        ArgumentNullException.ThrowIfNull(reader);
        _reader = reader;
        _session = session;
        _time = time ?? TimeProvider.System;
        _lastEvent = reader.ReadLastEvent();
        _waits = _meter.CreateHistogram(
            "nvml.mig.lease.wait.duration",
            "s",
            "How long claims waited that were granted.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400] });
        Count("nvml.mig.lease.grants", "{lease}", "Claims that were granted.", _ => _grants.Select(g =>
            Of(g.Value, g.Key.Queue, new Tag("nvml.mig.lease.origin", Word(g.Key.Origin)))));
        Count("nvml.mig.lease.ends", "{lease}", "Leases that ended.", _ => _ends.Select(e =>
            Of(e.Value, e.Key.Queue, new Tag("nvml.mig.lease.end.reason", Word(e.Key.Reason)))));
        Observe("nvml.mig.leases", "{lease}", "Leases, those that are ending included.", state => state.Leases
            .GroupBy(l => l.Lease.Claim.Queue, StringComparer.Ordinal)
            .Select(queue => Of(queue.Count(), queue.Key)));
        Observe("nvml.mig.lease.instances", "{instance}", "Instances of leases.", state => state.Leases
            .Where(l => l.Fraction is null)
            .SelectMany(l => l.Instances.Select(i => (l.Lease.Claim.Queue, i.Profile)))
            .GroupBy(i => i)
            .Select(same => Of(same.Count(), same.Key.Queue, new Tag("nvml.mig.profile", same.Key.Profile))));
        Observe("nvml.mig.claims", "{claim}", "Claims that wait.", state => state.Waiting
            .GroupBy(w => (w.Claim.Queue, w.Reason))
            .Select(same => Of(same.Count(), same.Key.Queue, new Tag("nvml.mig.wait.reason", Word(same.Key.Reason)))));
        ObserveQueues("nvml.mig.queue.quota", "What a queue can always have.", share => share.Queue.Quota);
        ObserveQueues("nvml.mig.queue.fair_share", "What a queue should have now.", share => share.FairShare);
        ObserveQueues("nvml.mig.queue.allocation", "What the leases of a queue have.", share => share.Allocated);
        Observe("nvml.mig.slices", "{slice}", "Memory slices of the GPUs of the pool.", state => state.Slices.SelectMany(UsesOf));
        Observe(
            "nvml.mig.slices.fragmented", "{slice}", "Free memory slices beside the largest instance for which there is a place.",
            state => state.Slices.Select(gpu => new Measurement<long>(gpu.Fragmented, new Tag("hw.id", gpu.Gpu))));
        _fractions = new RenewedMeter(CreateFractions);
    }

    /// <summary>The lease that an instance is of, as attributes of its values: id, queue, owner. None if it is not leased.</summary>
    /// <param name="instance">The instance.</param>
    public IEnumerable<Tag> Describe(InstanceReading instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        lock (_lock)
        {
            if (!Refresh().ByMigUuid.TryGetValue(instance.Uuid, out GrantedLease? lease))
                return [];
            return TagsOf(lease);
        }
    }

    /// <summary>Whether an instance can be used: not if leasing has put it aside for a fault.</summary>
    /// <param name="instance">The instance.</param>
    public bool IsFit(InstanceReading instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        lock (_lock)
            return !Refresh().PutAside.Contains(instance.Uuid);
    }

    /// <summary>Ends the publishing.</summary>
    public void Dispose()
    {
        _fractions.Dispose();
        _meter.Dispose();
    }

    private void CreateFractions(Meter meter, Action<string> note)
    {
        ObserveFractions<long>(
            meter, "memory.request", "By", "The memory that is kept for a fraction.", f => Noted(f, note).Part.MemoryRequestMiB << 20);
        ObserveFractions<long>(
            meter, "memory.limit", "By", "The most that a process of a fraction can have.", f => f.Part.MemoryLimitMiB << 20);
        ObserveFractions<long>(meter, "memory.usage", "By", "The memory that the processes of a fraction have.", f => f.UsedBytes);
        ObserveFractions<double>(
            meter, "compute.request", "%", "The computing power that is kept for a fraction.", f => (double)f.Part.ComputeRequest);
        ObserveFractions<double>(
            meter, "compute.limit", "%", "The most multiprocessors that a fraction can use.", f => (double)f.Part.ComputeLimit);
    }

    private static Tag[] TagsOf(GrantedLease lease)
    {
        Claim claim = lease.Lease.Claim;
        return
        [
            new("nvml.mig.lease.id", lease.Id), new("nvml.mig.queue", claim.Queue), new("nvml.mig.owner.uid", (long)claim.Owner.Uid),
            .. claim.Owner.Label is { } label ? [new("nvml.mig.owner.label", label)] : (Tag[])[],
        ];
    }

    private static Measurement<long> Of(long value, string queue, params ReadOnlySpan<Tag> more) =>
        new(value, [new("nvml.mig.queue", queue), .. more]);

    private static IEnumerable<Measurement<long>> UsesOf(GpuSlices gpu)
    {
        (int Count, string Use)[] uses = [(gpu.Leased, "leased"), (gpu.Cached, "cached"), (gpu.Foreign, "foreign"), (gpu.Free, "free")];
        return uses.Select(use =>
            new Measurement<long>(use.Count, new Tag("hw.id", gpu.Gpu), new Tag("nvml.mig.slice.use", use.Use)));
    }

    private static string Word<T>(T value)
        where T : struct, Enum => string.Concat(value.ToString().Select((c, i) => char.IsAsciiLetterUpper(c)
            ? $"{(i == 0 ? "" : "_")}{char.ToLowerInvariant(c)}"
            : $"{c}"));

    private void ObserveQueues(string name, string description, Func<QueueShare, Slices?> read) =>
        Observe(name, "{slice}", description, state => state.Queues.SelectMany(share => read(share) is { } slices
            ? (Measurement<long>[])
            [
                Of(slices.Compute, share.Queue.Name, new Tag("nvml.mig.resource", "compute")),
                Of(slices.Memory, share.Queue.Name, new Tag("nvml.mig.resource", "memory")),
            ]
            : []));

    private void ObserveFractions<T>(Meter meter, string name, string unit, string description, Func<FractionUse, T?> read)
        where T : struct =>
        meter.CreateObservableUpDownCounter(
            $"nvml.mig.fraction.{name}",
            () => Measure(state => state.Fractions.SelectMany(f => read(f) is { } value
                ? (Measurement<T>[])
                [
                    new(
                        value,
                        [.. TagsOf(f.Lease), new("nvml.mig.fraction.device", f.Part.Device), new("hw.id", f.Lease.Instances[0].MigUuid)]),
                ]
                : [])),
            unit,
            description);

    /// <summary>Once of all instruments, which have the same attributes.</summary>
    private static FractionUse Noted(FractionUse use, Action<string> note)
    {
        note(use.Lease.Id);
        return use;
    }

    private void Observe(string name, string unit, string description, Func<State, IEnumerable<Measurement<long>>> measure) =>
        _meter.CreateObservableUpDownCounter(name, () => Measure(measure), unit, description);

    private void Count(string name, string unit, string description, Func<State, IEnumerable<Measurement<long>>> measure) =>
        _meter.CreateObservableCounter(name, () => Measure(measure), unit, description);

    private Measurement<T>[] Measure<T>(Func<State, IEnumerable<Measurement<T>>> measure)
        where T : struct
    {
        lock (_lock)
            return [.. measure(Refresh())];
    }

    /// <summary>Reads the book, unless it was read within the last second. One that cannot be read has no values.</summary>
    private State Refresh()
    {
        if (_read is { } read && _time.GetElapsedTime(read) < GpuMonitor.Interval)
            return _state;
        _read = _time.GetTimestamp();
        try
        {
            foreach (LeaseEvent happened in _reader.ReadEvents(_lastEvent))
                Take(happened);
            LeaseOverview overview = _reader.Read();
            _state = State.Empty with
            {
                Leases = overview.Leases,
                Waiting = overview.Waiting,
                Queues = overview.Queues,
                Slices = _reader.ReadSlices(),
                Fractions = ReadFractions(overview.Leases),
                ByMigUuid = new(StringComparer.Ordinal),
                PutAside = overview.Leases.SelectMany(l => l.Instances).Concat(overview.Gpus.SelectMany(g => g.Idle))
                    .Where(i => i.Quarantine is not null).Select(i => i.MigUuid).ToHashSet(StringComparer.Ordinal),
            };
            // A later lease counts: an instance whose lease was moved is still that of the one before for a while.
            // A MIG device shared by MPS is its device's lease's; a compute instance is its fraction's.
            foreach (GrantedLease lease in overview.Leases.Where(l => l.Fraction is not { Backend: SharingBackend.Mps }))
            {
                foreach (LeasedInstance instance in lease.Instances)
                    _state.ByMigUuid[instance.MigUuid] = lease;
            }
        }
        catch (Exception e) when (e is LeaseException or InvalidOperationException) // The latter once the reader is closed.
        {
            _state = State.Empty;
        }

        return _state;
    }

    /// <summary>The fractions that share a device by MPS. Those that are compute instances have values of their own.</summary>
    private List<FractionUse> ReadFractions(IReadOnlyList<GrantedLease> leases)
    {
        Dictionary<string, IReadOnlyList<GpuProcess>?> processes = new(StringComparer.Ordinal);
        List<FractionUse> fractions = [];
        foreach (GrantedLease lease in leases)
        {
            if (lease.Fraction is not { Backend: SharingBackend.Mps } part)
                continue;
            LeasedInstance device = lease.Instances[0];
            if (!processes.TryGetValue(device.Place.Gpu, out IReadOnlyList<GpuProcess>? all))
                processes[device.Place.Gpu] = all = ReadProcesses(device.Place.Gpu);
            GpuProcess[]? own =
                all?.Where(p => p.GpuInstanceId == (device.IsWholeGpu ? null : device.GpuInstanceId) && lease.IsUsedBy(p)).ToArray();
            bool isKnown = own?.All(p => p.UsedMemoryBytes is not null) ?? false;
            fractions.Add(new FractionUse(lease, part, isKnown ? own!.Sum(p => p.UsedMemoryBytes) : null));
        }

        return fractions;
    }

    /// <summary>The processes of a GPU; null if they are not to be had.</summary>
    private IReadOnlyList<GpuProcess>? ReadProcesses(string gpu)
    {
        try
        {
            return _session?.GetDevice(gpu).GetProcesses();
        }
        catch (Exception e) when (e is NvmlException or KeyNotFoundException or ObjectDisposedException)
        {
            return null;
        }
    }

    private void Take(LeaseEvent happened)
    {
        _lastEvent = happened.Sequence;
        string queue = happened.Queue ?? "";
        if (happened is { Kind: LeaseEventKind.Granted, Origin: { } origin })
        {
            _grants[(queue, origin)] = _grants.GetValueOrDefault((queue, origin)) + 1;
            _waits.Record(Math.Max(0, happened.Waited?.TotalSeconds ?? 0), new Tag("nvml.mig.queue", queue));
        }
        else if (happened is { Kind: LeaseEventKind.Ended, Reason: { } reason })
        {
            _ends[(queue, reason)] = _ends.GetValueOrDefault((queue, reason)) + 1;
        }
    }

    private sealed record FractionUse(GrantedLease Lease, GrantedFraction Part, long? UsedBytes);

    private sealed record State(
        IReadOnlyList<GrantedLease> Leases,
        IReadOnlyList<Waiting> Waiting,
        IReadOnlyList<QueueShare> Queues,
        IReadOnlyList<GpuSlices> Slices,
        IReadOnlyList<FractionUse> Fractions,
        Dictionary<string, GrantedLease> ByMigUuid,
        HashSet<string> PutAside)
    {
        public static readonly State Empty = new([], [], [], [], [], [], []);
    }
}
