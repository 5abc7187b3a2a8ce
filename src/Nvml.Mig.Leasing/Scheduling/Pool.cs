using System.Runtime.InteropServices;

namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>GPUs of one board and one model: what claims can choose between.</summary>
internal sealed record Group(int Index, Board Board, string Model);

/// <summary>GPUs of one group in one arrangement.</summary>
internal sealed class Bucket(int index, Group group, Arrangement arrangement)
{
    private readonly PriorityQueue<int, int> _gpus = new();

    public int Index => index;

    public Group Group => group;

    public Arrangement Arrangement => arrangement;

    public int Count { get; set; }

    public void Add(int gpu)
    {
        _gpus.Enqueue(gpu, gpu);
        Count++;
    }

    /// <summary>The first GPU. The queue can name GPUs that have left since.</summary>
    public int First(Bucket?[] bucketOf)
    {
        while (bucketOf[_gpus.Peek()] != this)
            _gpus.Dequeue();
        return _gpus.Peek();
    }
}

/// <summary>The GPUs while deciding. Each change can be taken back.</summary>
internal sealed class Pool
{
    private readonly Dictionary<string, Arrangement> _arrangements;
    private readonly Dictionary<(Arrangement, int Group), Bucket> _buckets = [];
    private readonly List<Bucket> _bucketsInOrder = [];
    private readonly Dictionary<(int Group, int Kind), Finder> _finders = [];
    private readonly Bucket?[] _bucketOf;
    private readonly bool[] _isUsable;
    private readonly Stack<Action> _undo = new();

    public Pool(Dictionary<string, Arrangement> arrangements, Group[] groupOf, bool[] isUsable)
    {
        _arrangements = arrangements;
        GroupOf = groupOf;
        _isUsable = isUsable;
        _bucketOf = new Bucket?[groupOf.Length];
        Items = new List<Item>[groupOf.Length];
        for (int gpu = 0; gpu < groupOf.Length; gpu++)
            Items[gpu] = [];
    }

    public Group[] GroupOf { get; }

    public List<Item>[] Items { get; }

    /// <summary>Grows whenever room may have come.</summary>
    public int Version { get; private set; }

    /// <summary>How many changes there were: what <see cref="BackTo"/> takes.</summary>
    public int Mark => _undo.Count;

    public bool IsUsable(int gpu) => _isUsable[gpu];

    public Arrangement ArrangementOf(int gpu) => _bucketOf[gpu]!.Arrangement;

    /// <summary>Puts in what stands at the beginning.</summary>
    public void Fill(Item item)
    {
        item.IsThere = true;
        Items[item.Gpu].Add(item);
    }

    /// <summary>Ends the filling. Returns a GPU where instances overlap, or -1.</summary>
    public int EndFilling()
    {
        for (int gpu = 0; gpu < Items.Length; gpu++)
        {
            uint mask = 0;
            bool isSorted = true;
            char last = '\0';
            foreach (Item item in Items[gpu])
            {
                if ((mask & item.Mask) != 0)
                    return gpu;
                mask |= item.Mask;
                isSorted &= item.Code >= last;
                last = item.Code;
            }

            // The order in which instances are looked at must not depend on the order of the input.
            if (!isSorted)
                Items[gpu].Sort((a, b) => a.Code.CompareTo(b.Code));

            Rearrange(gpu);
        }

        return -1;
    }

    public void Add(Item item)
    {
        Put(item);
        _undo.Push(() => Drop(item));
    }

    public void Remove(Item item)
    {
        Drop(item);
        _undo.Push(() => Put(item));
    }

    /// <summary>
    /// Lets others have places of a cached instance. As long as it has not been destroyed, what stands for it keeps the rest of its place
    /// from
    /// looking free, and counts for what the GPU can have besides.
    /// </summary>
    public Item Cover(Item cached)
    {
        Remove(cached);
        Item rest = new(cached.Gpu, cached.Kind, cached.Run, Role.Cached) { Cached = cached.Cached, IsCovered = true };
        Add(rest);
        return rest;
    }

    public void Turn(Item item, Role role)
    {
        Role before = item.Role;
        item.Role = role;
        Version++;
        Rearrange(item.Gpu);
        _undo.Push(() =>
        {
            item.Role = before;
            Rearrange(item.Gpu);
        });
    }

    /// <summary>Remembers how to take back what is not in the pool.</summary>
    public void OnUndo(Action undo) => _undo.Push(undo);

    public void BackTo(int mark)
    {
        while (_undo.Count > mark)
            _undo.Pop()();
    }

    /// <summary>One GPU of each arrangement that there is in a group.</summary>
    public IEnumerable<int> Different(Group group) =>
        _bucketsInOrder.Where(b => b.Group == group && b.Count > 0).Select(b => b.First(_bucketOf)).ToArray();

    public Finder FinderFor(Group group, Kind kind)
    {
        ref Finder? finder = ref CollectionsMarshal.GetValueRefOrAddDefault(_finders, (group.Index, kind.Index), out _);
        return finder ??= new Finder(group, kind, _bucketsInOrder, _bucketOf);
    }

    private void Put(Item item)
    {
        item.IsThere = true;
        item.CacheList?.CameBack(item);
        Items[item.Gpu].Add(item);
        Rearrange(item.Gpu);
    }

    private void Drop(Item item)
    {
        item.IsThere = false;
        Items[item.Gpu].Remove(item);
        Version++;
        Rearrange(item.Gpu);
    }

    private void Rearrange(int gpu)
    {
        if (!_isUsable[gpu])
            return;
        List<Item> items = Items[gpu];
        Group group = GroupOf[gpu];
        Span<char> key = stackalloc char[items.Count + 1];
        for (int i = 0; i < items.Count; i++)
            key[i] = items[i].Code;
        key[..items.Count].Sort();
        key[items.Count] = (char)group.Board.Number;
        Dictionary<string, Arrangement>.AlternateLookup<ReadOnlySpan<char>> lookup = _arrangements.GetAlternateLookup<ReadOnlySpan<char>>();
        if (!lookup.TryGetValue(key, out Arrangement? arrangement))
        {
            arrangement = new Arrangement(group.Board, items.OrderBy(i => i.Code));
            lookup[key] = arrangement;
        }

        Bucket? left = _bucketOf[gpu];
        if (left is not null)
            left.Count--;
        ref Bucket? bucket = ref CollectionsMarshal.GetValueRefOrAddDefault(_buckets, (arrangement, group.Index), out _);
        if (bucket is null)
        {
            bucket = new Bucket(_bucketsInOrder.Count, group, arrangement);
            _bucketsInOrder.Add(bucket);
        }

        _bucketOf[gpu] = bucket;
        bucket.Add(gpu);
        if (bucket.Count == 1)
        {
            foreach (Finder finder in _finders.Values)
                finder.Offer(bucket);
        }
    }
}

/// <summary>
/// Finds the best GPU of a group for a kind: those that have instances already first, then those where it costs the least room.
/// </summary>
internal sealed class Finder
{
    private readonly Group _group;
    private readonly Kind _kind;
    private readonly Bucket?[] _bucketOf;
    private readonly PriorityQueue<Bucket, (int Departing, int Evicted, bool Opens, long Loss, int Index)>[] _queues =
        [new(), new(), new()];

    private readonly HashSet<int>[] _queued = [[], [], []];

    public Finder(Group group, Kind kind, IEnumerable<Bucket> buckets, Bucket?[] bucketOf)
    {
        _group = group;
        _kind = kind;
        _bucketOf = bucketOf;
        foreach (Bucket bucket in buckets)
            Offer(bucket);
    }

    public void Offer(Bucket bucket)
    {
        if (bucket.Group != _group || bucket.Count == 0)
            return;
        for (int reach = 0; reach < _queues.Length; reach++)
        {
            Offer offer = bucket.Arrangement.OfferFor(_kind, (Reach)reach);
            if (!offer.IsNone && _queued[reach].Add(bucket.Index))
                _queues[reach].Enqueue(bucket, (offer.Departing, offer.Evicted, bucket.Arrangement.IsEmpty, offer.Loss, bucket.Index));
        }
    }

    /// <summary>The best GPU and place; null if there is none.</summary>
    public (int Gpu, Offer Offer, bool Opens)? Best(Reach reach)
    {
        PriorityQueue<Bucket, (int, int, bool, long, int)> queue = _queues[(int)reach];
        while (queue.TryPeek(out Bucket? best, out _))
        {
            if (best.Count > 0)
                return (best.First(_bucketOf), best.Arrangement.OfferFor(_kind, reach), best.Arrangement.IsEmpty);
            queue.Dequeue();
            _queued[(int)reach].Remove(best.Index);
        }

        return null;
    }
}
