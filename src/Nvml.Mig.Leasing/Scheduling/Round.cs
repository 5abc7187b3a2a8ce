namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>A kind on a group of GPUs that does for a request.</summary>
internal readonly record struct Candidate(Group Group, Kind Kind);

/// <summary>What does for one instance of a request.</summary>
/// <param name="Name">As the request says it.</param>
/// <param name="Tiers">Kinds and groups, those of one size together, the smallest first.</param>
/// <param name="Gpus">The GPUs that will do; null: any.</param>
internal sealed record Shape(string Name, Candidate[][] Tiers, int[]? Gpus)
{
    public Slices Least => Tiers.Length == 0 ? default : Tiers[0][0].Kind.Size;

    public bool Takes(int gpu) => Gpus is null || Array.BinarySearch(Gpus, gpu) >= 0;
}

/// <summary>A claim while deciding.</summary>
internal sealed class ClaimEntry(Claim claim, QueueNode queue, Shape[] shapes)
{
    public Claim Claim => claim;

    public QueueNode Queue => queue;

    /// <summary>One for each instance, in the order of the requests.</summary>
    public Shape[] Shapes => shapes;

    /// <summary>The instances in the order in which they are placed: large ones first.</summary>
    public int[] LargeFirst { get; } =
        [.. Enumerable.Range(0, shapes.Length)
            .OrderByDescending(i => shapes[i].Least.Memory).ThenByDescending(i => shapes[i].Least.Compute).ThenBy(i => i)];

    /// <summary>What it takes at least.</summary>
    public Slices Least { get; } = shapes.Aggregate(default(Slices), (sum, s) => sum + s.Least);

    public WaitReason Reason { get; set; } = WaitReason.NoPlace;

    public string Message { get; set; } = "";

    /// <summary>Whether it has places, now or when others have gone.</summary>
    public bool IsPlaced { get; set; }

    public bool IsGranted { get; set; }

    /// <summary>The reservation that it has places of. Its lease counts for one: another would look unused and want room again.</summary>
    public Reservation? Uses { get; set; }
}

/// <summary>An instance that was given a place.</summary>
/// <param name="Item">The instance.</param>
/// <param name="IsCached">Whether it is there already.</param>
/// <param name="Evicted">The cached ones that are destroyed for it.</param>
/// <param name="IsDeparting">Whether something has to go from its place first.</param>
internal sealed record Placed(Item Item, bool IsCached, IReadOnlyList<Item> Evicted, bool IsDeparting)
{
    /// <summary>The reservation that it uses.</summary>
    public string? Reservation { get; init; }

    /// <summary>The leases that were told to leave what is reserved.</summary>
    public IReadOnlyList<LeaseEntry> Victims { get; init; } = [];
}

/// <summary>All that a decision works on, taken in from the input in an order of its own.</summary>
internal sealed class Round
{
    private readonly Dictionary<string, int> _gpuIndex;
    private readonly Dictionary<(string?, InstanceNeed?, string, string), Shape> _shapes = [];
    private readonly Dictionary<(int, int, long), CacheList> _caches = [];
    private readonly List<Group> _groups = [];
    private readonly List<Item> _cached = [];

    public Round(
        SchedulerInput input, SchedulerOptions options, Func<LeasableGpu, Board> boardOf, Dictionary<string, Arrangement> arrangements)
    {
        Input = input;
        Options = options;
        Gpus = [.. input.Gpus];
        if (!IsSorted(Gpus))
            Array.Sort(Gpus, (a, b) => string.CompareOrdinal(a.Id, b.Id));
        _gpuIndex = new Dictionary<string, int>(Gpus.Length, StringComparer.Ordinal);
        Dictionary<(int, string), Group> groups = [];
        Group[] groupOf = new Group[Gpus.Length];
        for (int gpu = 0; gpu < Gpus.Length; gpu++)
        {
            if (!_gpuIndex.TryAdd(Gpus[gpu].Id, gpu))
                throw new LeaseException($"Two GPUs have the id {Gpus[gpu].Id}.");
            Board board = boardOf(Gpus[gpu]);
            if (!groups.TryGetValue((board.Number, Gpus[gpu].Model), out Group? group))
            {
                group = groups[(board.Number, Gpus[gpu].Model)] = new Group(_groups.Count, board, Gpus[gpu].Model);
                _groups.Add(group);
            }

            groupOf[gpu] = group;
        }

        Pool = new Pool(arrangements, groupOf, [.. Gpus.Select(g => g.IsUsable)]);
        Root = new QueueNode(new LeaseQueue(""), null);
        Queues = ReadQueues(input.Queues);
        foreach (QueueNode queue in Queues.Values)
            Lends |= queue.Queue.LendingLimit is not null;
        Slices total = ReadGpus();
        ReadLeases();
        if (Pool.EndFilling() is >= 0 and var overlapping)
            throw new LeaseException($"Instances overlap on GPU {Gpus[overlapping].Id}.");
        Claims = [.. input.Claims
            .OrderByDescending(c => c.Priority).ThenBy(c => c.Created).ThenBy(c => c.Id, StringComparer.Ordinal)
            .Select(ReadClaim)];
        Root.Fair = total;
        Root.DivideAmongChildren();
    }

    public SchedulerInput Input { get; }

    public SchedulerOptions Options { get; }

    public DateTimeOffset Now => Input.Now;

    public LeasableGpu[] Gpus { get; }

    public Pool Pool { get; }

    /// <summary>The whole pool; its share is what there is.</summary>
    public QueueNode Root { get; }

    public Dictionary<string, QueueNode> Queues { get; }

    public List<LeaseEntry> Leases { get; } = [];

    /// <summary>In the order within a queue.</summary>
    public List<ClaimEntry> Claims { get; }

    /// <summary>Whether any queue keeps unused quota to itself.</summary>
    public bool Lends { get; }

    /// <summary>How long before its room is needed a lease must be told.</summary>
    public TimeSpan Lead => Options.Notice + Options.Grace;

    public bool HasGpu(string id) => _gpuIndex.ContainsKey(id);

    public int GpuOf(string id) => _gpuIndex.TryGetValue(id, out int gpu) ? gpu : throw new LeaseException($"The pool has no GPU {id}.");

    /// <summary><c>7g.40gb at 0:8 of GPU-...</c></summary>
    public string Describe(Placed[] placed) => string.Join(
        ", ", placed.Select(p => $"{p.Item.Kind.Profile.Name} at {p.Item.Kind.Places[p.Item.Run]} of {Gpus[p.Item.Gpu].Id}"));

    /// <summary>Counts a lease for its queue and all above, or no longer.</summary>
    public void Charge(QueueNode queue, Slices size, bool isPreemptible)
    {
        Add(size);
        Pool.OnUndo(() => Add(default(Slices) - size));

        void Add(Slices change)
        {
            for (QueueNode? node = queue; node is not null; node = node.Parent)
            {
                node.Allocated += change;
                if (!isPreemptible)
                    node.NonPreemptible += change;
            }
        }
    }

    /// <summary>Tells a lease to go.</summary>
    public void End(LeaseEntry lease)
    {
        lease.IsEnding = true;
        Pool.OnUndo(() => lease.IsEnding = false);
        foreach (Item item in lease.Items)
        {
            if (item.IsThere && item.Role == Role.Held)
                Pool.Turn(item, Role.Ending);
        }

        Charge(lease.Queue, default(Slices) - lease.Size, lease.Lease.Claim.IsPreemptible);
    }

    /// <summary>The cached instances that a user can have.</summary>
    public CacheList CacheFor(Candidate candidate, uint uid)
    {
        (int, int, long) key = (candidate.Group.Index, candidate.Kind.Index, Options.ReuseAcrossUsers ? -1 : uid);
        if (!_caches.TryGetValue(key, out CacheList? list))
        {
            _caches[key] = list = new CacheList(_cached
                .Where(i => i.Kind == candidate.Kind && Pool.GroupOf[i.Gpu] == candidate.Group)
                .Where(i => CanReuse(i, uid) && Pool.IsUsable(i.Gpu))
                .OrderBy(i => Pool.ArrangementOf(i.Gpu).Standing.Loss(i.Kind.Index, i.Run)).ThenBy(i => i.Gpu).ThenBy(i => i.Run));
        }

        return list;
    }

    public bool CanReuse(Item item, uint uid) => !item.IsCovered && (Options.ReuseAcrossUsers || item.Cached!.LastUid == uid);

    public InstancePlace PlaceOf(Item item) => new(Gpus[item.Gpu].Id, item.Kind.Profile.Id, item.Kind.Places[item.Run]);

    public Shape ShapeFor(InstanceRequest request, IReadOnlyList<string> models, IReadOnlyList<string> gpus)
    {
        (string?, InstanceNeed?, string, string) key = (request.Profile, request.Need, Join(models), Join(gpus));
        if (_shapes.TryGetValue(key, out Shape? known))
            return known;
        Candidate[][] tiers = [.. _groups
            .Where(g => models.Count == 0 || models.Contains(g.Model, StringComparer.OrdinalIgnoreCase))
            .SelectMany(g => g.Board.Fitting(request).Select(kind => new Candidate(g, kind)))
            .GroupBy(c => c.Kind.Size)
            .OrderBy(t => t.Key.Memory).ThenBy(t => t.Key.Compute)
            .Select(t => t.ToArray())];
        int[]? chosen = gpus.Count == 0 ? null : [.. gpus.Where(_gpuIndex.ContainsKey).Select(id => _gpuIndex[id]).Distinct().Order()];
        if (chosen is not null)
        {
            Candidate[] Chosen(Candidate[] tier) => [.. tier.Where(c => chosen.Any(gpu => Pool.GroupOf[gpu] == c.Group))];
            tiers = [.. tiers.Select(Chosen).Where(t => t.Length > 0)];
        }

        string name = request.Profile ?? request.Need!.ToString();
        return _shapes[key] = new Shape(name, tiers, chosen);

        // With their lengths, since users can name whatever they like.
        static string Join(IReadOnlyList<string> names) =>
            names.Count == 0 ? "" : string.Concat(names.Order(StringComparer.Ordinal).Select(name => $"{name.Length}:{name}"));
    }

    public Item ItemAt(InstancePlace place, Role role, LeaseEntry? lease = null, CachedInstance? cached = null)
    {
        int gpu = GpuOf(place.Gpu);
        Board board = Pool.GroupOf[gpu].Board;
        int kind = board.KindOf(place.ProfileId);
        int run = kind < 0 ? -1 : Array.IndexOf(board.Kinds[kind].Places, place.Placement);
        return run >= 0
            ? new Item(gpu, board.Kinds[kind], run, role) { Lease = lease, Cached = cached }
            : throw new LeaseException($"GPU {place.Gpu} can have no instance of profile {place.ProfileId} at {place.Placement}.");
    }

    private static bool IsSorted(LeasableGpu[] gpus)
    {
        for (int i = 1; i < gpus.Length; i++)
        {
            if (string.CompareOrdinal(gpus[i - 1].Id, gpus[i].Id) > 0)
                return false;
        }

        return true;
    }

    private Dictionary<string, QueueNode> ReadQueues(IReadOnlyList<LeaseQueue> queues)
    {
        Dictionary<string, LeaseQueue> byName = new(StringComparer.Ordinal);
        foreach (LeaseQueue queue in queues)
        {
            if (queue.Weight < 0)
                throw new LeaseException($"Queue {queue.Name} has the weight {queue.Weight}.");
            if (!byName.TryAdd(queue.Name, queue))
                throw new LeaseException($"Two queues have the name {queue.Name}.");
        }

        Dictionary<string, QueueNode> nodes = new(StringComparer.Ordinal);
        int rank = 0;
        foreach (LeaseQueue queue in queues.OrderBy(q => q.Created).ThenBy(q => q.Name, StringComparer.Ordinal))
            NodeOf(queue.Name, 0).Rank = rank++;
        foreach (QueueNode node in nodes.Values.OrderBy(n => n.Rank))
            node.Parent!.Children.Add(node);
        return nodes;

        QueueNode NodeOf(string name, int depth)
        {
            if (nodes.TryGetValue(name, out QueueNode? known))
                return known;
            if (!byName.TryGetValue(name, out LeaseQueue? queue))
                throw new LeaseException($"There is no queue {name}.");
            if (depth > byName.Count)
                throw new LeaseException($"Queue {name} is its own ancestor.");
            return nodes[name] = new QueueNode(queue, queue.Parent is { } parent ? NodeOf(parent, depth + 1) : Root);
        }
    }

    /// <summary>Returns what can be shared out: usable GPUs, without what is not to be touched.</summary>
    private Slices ReadGpus()
    {
        Slices total = default;
        for (int gpu = 0; gpu < Gpus.Length; gpu++)
        {
            if (Gpus[gpu].IsUsable)
                total += Pool.GroupOf[gpu].Board.Total;
            foreach (InstancePlace place in Gpus[gpu].Untouchable)
            {
                Item item = ItemAt(place, Role.Held);
                Pool.Fill(item);
                if (Gpus[gpu].IsUsable)
                    total -= item.Kind.Size;
            }

            foreach (CachedInstance cached in Gpus[gpu].Cached)
            {
                Item item = ItemAt(cached.Place, Role.Cached, cached: cached);
                Pool.Fill(item);
                _cached.Add(item);
            }
        }

        return total;
    }

    private void ReadLeases()
    {
        HashSet<string> running = [.. Input.Reservations.Where(r => r.End > Now).Select(r => r.Id)];
        foreach (Lease lease in Input.Leases)
        {
            QueueNode queue = QueueOf(lease.Claim.Queue);
            LeaseEntry entry = new(lease, queue)
            {
                IsEnding = lease.IsEnding,
                IsReserved = lease.Reservation is { } used && running.Contains(used),
            };
            foreach (InstancePlace place in lease.Instances)
            {
                Item item = ItemAt(place, lease.IsEnding ? Role.Ending : Role.Held, entry);
                entry.Items.Add(item);
                entry.Size += item.Kind.Size;
                Pool.Fill(item);
            }

            Leases.Add(entry);
            if (lease.IsEnding)
                continue;
            for (QueueNode? node = queue; node is not null; node = node.Parent)
            {
                node.Allocated += entry.Size;
                node.Requested += entry.Size;
                if (!lease.Claim.IsPreemptible)
                    node.NonPreemptible += entry.Size;
            }
        }
    }

    private ClaimEntry ReadClaim(Claim claim)
    {
        QueueNode queue = QueueOf(claim.Queue);
        Shape[] shapes = [.. claim.Requests.SelectMany(r => Enumerable.Repeat(ShapeFor(r, claim.Models, claim.Gpus), r.Count))];
        ClaimEntry entry = new(claim, queue, shapes);
        // What no GPU has is not a demand that others should make room for.
        if (shapes.All(s => s.Tiers.Length > 0))
        {
            for (QueueNode? node = queue; node is not null; node = node.Parent)
                node.Requested += entry.Least;
        }

        return entry;
    }

    private QueueNode QueueOf(string name)
    {
        if (!Queues.TryGetValue(name, out QueueNode? queue))
            throw new LeaseException($"There is no queue {name}.");
        return queue.Children.Count == 0 ? queue : throw new LeaseException($"Queue {name} has children: claims go to those.");
    }
}
