using System.Globalization;

namespace Nvml.Mig.Planning;

/// <summary>A place for an instance of a kind, and the room that it costs.</summary>
internal readonly record struct Offer(int Kind, Run Run, long Loss)
{
    public static readonly Offer None = new(-1, default, 0);

    public bool IsNone => Kind < 0;
}

/// <summary>GPUs that are alike in all that counts for what can be placed on them.</summary>
internal sealed class PoolClass(int index, GeometryTables geometry, int geometryNumber, string group, uint occupied, int[] counts)
{
    private readonly PriorityQueue<int, int> _gpus = new();
    private readonly Dictionary<PoolRequest, Offer> _offers = [];
    private readonly Dictionary<(int Kind, Run Run), PoolClass> _after = [];

    public int Index => index;

    public GeometryTables Geometry => geometry;

    public int GeometryNumber => geometryNumber;

    public string Group => group;

    public uint Occupied => occupied;

    public int[] Counts => counts;

    /// <summary>How many GPUs are of this class.</summary>
    public int Count { get; set; }

    public void Add(int gpu)
    {
        _gpus.Enqueue(gpu, gpu);
        Count++;
    }

    /// <summary>Takes the first GPU out. The queue can name GPUs that have left since, or twice.</summary>
    public int TakeFirst(PoolClass[] classOfGpu)
    {
        int gpu = _gpus.Dequeue();
        while (classOfGpu[gpu] != this)
            gpu = _gpus.Dequeue();
        while (_gpus.TryPeek(out int same, out _) && same == gpu)
            _gpus.Dequeue();
        Count--;
        return gpu;
    }

    public PoolClass? After(int kind, Run run) => _after.GetValueOrDefault((kind, run));

    public PoolClass Remember(int kind, Run run, PoolClass after) => _after[(kind, run)] = after;

    /// <summary>-1 if the request is not for such GPUs.</summary>
    public int KindOf(PoolRequest request)
    {
        if (request.Group is not null && request.Group != group)
            return -1;
        IReadOnlyList<GpuInstanceProfile> found = ProfileMatch.Find(geometry.Profiles.Select(p => p.Profile), request.Profile);
        return found.Count == 0
            ? -1
            : geometry.IndexOf(found.Count == 1 ? found[0].Id.ToString(CultureInfo.InvariantCulture) : request.Profile);
    }

    /// <summary>The place that costs the least room, the lowest of several.</summary>
    public Offer OfferFor(PoolRequest request)
    {
        if (!_offers.TryGetValue(request, out Offer offer))
            _offers[request] = offer = AllOffersFor(request).DefaultIfEmpty(Offer.None).MinBy(o => o.Loss);
        return offer;
    }

    public bool AllowsOneMore(int kind, int[] present)
    {
        Span<int> used = stackalloc int[GeometryTables.ResourceCount];
        AddUse(present, used);
        return geometry.AllowsOneMore(kind, present[kind], used);
    }

    /// <summary>The <see cref="GpuPlan.Room"/> with these instances, wherever they stand on the units taken.</summary>
    public long RoomWith(int[] present, uint taken)
    {
        Row row = geometry.Memory;
        Span<int> used = stackalloc int[GeometryTables.ResourceCount];
        AddUse(present, used);
        long room = 0;
        for (int kind = 0; kind < present.Length; kind++)
        {
            if (!geometry.AllowsOneMore(kind, present[kind], used))
                continue;
            foreach (Run run in row.Shapes[row.ShapeOf[kind]])
                room += (taken & run.Mask) == 0 ? run.Size * run.Size : 0;
        }

        return room;
    }

    /// <summary>All places, by start.</summary>
    private IEnumerable<Offer> AllOffersFor(PoolRequest request)
    {
        int kind = KindOf(request);
        if (kind < 0 || !AllowsOneMore(kind, counts))
            yield break;
        int[] more = [.. counts];
        more[kind]++;
        long room = RoomWith(counts, occupied);
        foreach (Run run in geometry.Memory.Shapes[geometry.Memory.ShapeOf[kind]])
        {
            if ((occupied & run.Mask) == 0)
                yield return new Offer(kind, run, room - RoomWith(more, occupied | run.Mask));
        }
    }

    private void AddUse(int[] present, Span<int> used)
    {
        for (int kind = 0; kind < present.Length; kind++)
        {
            for (int resource = 0; resource < used.Length; resource++)
                used[resource] += present[kind] * geometry.Needs[(kind * GeometryTables.ResourceCount) + resource];
        }
    }
}
