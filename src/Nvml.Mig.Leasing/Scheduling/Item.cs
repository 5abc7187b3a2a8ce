namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>What may become of an instance in a decision.</summary>
internal enum Role : byte
{
    /// <summary>It stays: of a lease, granted or kept just now, or not to be touched.</summary>
    Held,

    /// <summary>It can be handed out or destroyed.</summary>
    Cached,

    /// <summary>It goes, but is not gone.</summary>
    Ending,
}

/// <summary>An instance on a GPU, there or decided on.</summary>
internal sealed class Item(int gpu, Kind kind, int run, Role role)
{
    public int Gpu => gpu;

    public Kind Kind => kind;

    public int Run => run;

    public uint Mask => kind.RunMasks[run];

    public Role Role { get; set; } = role;

    /// <summary>Kind, place and role as one number: GPUs whose instances have the same are alike.</summary>
    public char Code => (char)((kind.Index << 7) | (run << 2) | (int)Role);

    /// <summary>Whether it is in the pool: one that was destroyed or taken back is not.</summary>
    public bool IsThere { get; set; }

    /// <summary>The lease that has it; null for all else.</summary>
    public LeaseEntry? Lease { get; init; }

    /// <summary>What it is if it is cached.</summary>
    public CachedInstance? Cached { get; init; }

    /// <summary>Whether somebody else has a part of its place: then it can be destroyed, but not handed out.</summary>
    public bool IsCovered { get; init; }

    /// <summary>Where it is in the list of cached ones.</summary>
    public int CacheIndex { get; set; }

    /// <summary>The list of cached ones that it is in.</summary>
    public CacheList? CacheList { get; set; }
}

/// <summary>A lease while deciding.</summary>
internal sealed class LeaseEntry(Lease lease, QueueNode queue)
{
    public Lease Lease => lease;

    public QueueNode Queue => queue;

    public List<Item> Items { get; } = [];

    public Slices Size { get; set; }

    /// <summary>Whether it uses a reservation that has not ended.</summary>
    public bool IsReserved { get; init; }

    /// <summary>Whether it is going: it was before, or this decision says so.</summary>
    public bool IsEnding { get; set; }

    /// <summary>Whether this decision moves a part of it: once is enough.</summary>
    public bool IsMoved { get; set; }

    /// <summary>Until when its minimum runtime protects it.</summary>
    public DateTimeOffset SafeUntil => lease.Claim.MinimumRuntime > TimeSpan.Zero ? lease.Since + lease.Claim.MinimumRuntime : lease.Since;
}

/// <summary>Cached instances that are alike for claims, the best first.</summary>
internal sealed class CacheList
{
    private readonly List<Item> _items;
    private int _first;

    public CacheList(IEnumerable<Item> items)
    {
        _items = [.. items];
        for (int i = 0; i < _items.Count; i++)
        {
            _items[i].CacheIndex = i;
            _items[i].CacheList = this;
        }
    }

    public Item? First
    {
        get
        {
            while (_first < _items.Count && !_items[_first].IsThere)
                _first++;
            return _first < _items.Count ? _items[_first] : null;
        }
    }

    public void CameBack(Item item) => _first = Math.Min(_first, item.CacheIndex);
}
