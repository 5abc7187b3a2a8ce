using System.Security.Cryptography;
using System.Text.Json;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>The book of leases: what is promised to whom, who waits, and the instances and GPUs as we know them.</summary>
internal sealed class Book
{
    private const string StateKey = "book";

    private readonly BookTable<BookState> _state = new("state", BookJson.Default.BookState);
    private readonly Dictionary<string, GpuGeometry> _geometries = new(StringComparer.Ordinal);

    public Book() => Tables = [_state, Gpus, Geometries, Instances, Claims, Leases, Queues, Reservations];

    public IReadOnlyList<IBookTable> Tables { get; }

    public BookState State
    {
        get => _state.Find(StateKey) ?? new BookState();
        set
        {
            if (value != State)
                _state.Put(StateKey, value);
        }
    }

    public BookTable<GpuEntry> Gpus { get; } = new("gpu", BookJson.Default.GpuEntry);

    public BookTable<InstanceEntry> Instances { get; } = new("instance", BookJson.Default.InstanceEntry);

    public BookTable<WaitingEntry> Claims { get; } = new("claim", BookJson.Default.WaitingEntry);

    public BookTable<GrantedLease> Leases { get; } = new("lease", BookJson.Default.GrantedLease);

    public BookTable<LeaseQueue> Queues { get; } = new("queue", BookJson.Default.LeaseQueue);

    public BookTable<Reservation> Reservations { get; } = new("reservation", BookJson.Default.Reservation);

    /// <summary>What happened and is not written yet.</summary>
    public List<LeaseEvent> Events { get; } = [];

    private BookTable<GeometryEntry> Geometries { get; } = new("geometry", BookJson.Default.GeometryEntry);

    /// <summary>The geometry of a GPU. GPUs that are alike have the same object.</summary>
    public GpuGeometry GeometryOf(GpuEntry gpu)
    {
        if (!_geometries.TryGetValue(gpu.Geometry, out GpuGeometry? geometry))
            _geometries[gpu.Geometry] = geometry = new GpuGeometry(Geometries.Find(gpu.Geometry)?.Profiles ?? []);
        return geometry;
    }

    /// <summary>Keeps a geometry, and returns its key. What goes inside instances does not count: leases take the whole.</summary>
    public string Keep(GpuGeometry geometry)
    {
        GeometryEntry entry = new([.. geometry.Profiles.Select(p => p with { ComputeProfiles = null })]);
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(entry, BookJson.Default.GeometryEntry);
        string key = Convert.ToHexStringLower(SHA256.HashData(text))[..16];
        if (Geometries.Find(key) is null)
            Geometries.Put(key, entry);
        return key;
    }

    public IEnumerable<InstanceEntry> InstancesOf(string gpu) => Instances.Where(i => i.Place.Gpu == gpu);

    /// <summary>Whether there is an instance of ours at a place.</summary>
    public bool HasInstance(InstancePlace place) => Instances.Find(InstanceEntry.KeyOf(place))?.Place == place;

    /// <summary>The lease that an instance is of; null if it is of none. Not a fraction, which is of a lease.</summary>
    public GrantedLease? LeaseOf(InstancePlace place) =>
        Leases.FirstOrDefault(l => l.Fraction is null && l.Lease.Instances.Contains(place));

    /// <summary>The fractions of a shared device, in the order in which they were granted.</summary>
    public IEnumerable<GrantedLease> FractionsOf(string device) =>
        Leases.Where(l => l.Fraction?.Device == device).OrderBy(l => l.Generation);

    /// <summary>Reads all entries in place of what was known.</summary>
    public void Load(IEnumerable<(string Kind, string Key, string Value)> rows)
    {
        foreach (IBookTable table in Tables)
            table.Clear();
        _geometries.Clear();
        Events.Clear();
        Dictionary<string, IBookTable> byKind = Tables.ToDictionary(t => t.Kind, StringComparer.Ordinal);
        foreach ((string kind, string key, string value) in rows)
            byKind[kind].Load(key, value);
    }

    public void Report(LeaseEventKind kind, GrantedLease lease, DateTimeOffset time, string message, LeaseEndReason? reason = null) =>
        Events.Add(ToEvent(kind, lease, time, message, reason));

    public void ReportGrant(GrantedLease lease, DateTimeOffset time, string message, GrantOrigin origin) =>
        Events.Add(ToEvent(LeaseEventKind.Granted, lease, time, message, null) with
        {
            Origin = origin,
            Waited = time - lease.Lease.Claim.Created,
        });

    private static LeaseEvent ToEvent(
        LeaseEventKind kind, GrantedLease lease, DateTimeOffset time, string message, LeaseEndReason? reason) =>
        new(0, time, kind, lease.Id, lease.Generation, reason, message) { Queue = lease.Lease.Claim.Queue };
}
