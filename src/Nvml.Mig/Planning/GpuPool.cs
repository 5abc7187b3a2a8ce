using System.Diagnostics.CodeAnalysis;

namespace Nvml.Mig.Planning;

/// <summary>A GPU of a pool.</summary>
/// <param name="Name">The caller's name for it: an index, a UUID, node and index.</param>
/// <param name="Snapshot">The GPU as it is.</param>
/// <param name="Group">The name by which requests choose GPUs: a model, a node pool. GPUs of one group need not be alike.</param>
public sealed record PoolGpu(string Name, GpuSnapshot Snapshot, string Group = "");

/// <summary>A request for a GPU instance on any GPU of a pool.</summary>
/// <param name="Profile">The profile's name or id. GPUs that have no such profile are left out.</param>
/// <param name="Group">The group of GPUs to place it on; null: any.</param>
public sealed record PoolRequest(string Profile, string? Group = null)
{
    /// <summary><c>3g.20gb</c>, or <c>3g.20gb on a100</c></summary>
    public override string ToString() => Group is null ? Profile : $"{Profile} on {Group}";
}

/// <summary>Where a requested instance goes.</summary>
/// <param name="Gpu">The index of the GPU in the pool.</param>
/// <param name="Profile">The profile.</param>
/// <param name="Placement">The placement.</param>
public readonly record struct PoolPlacement(int Gpu, GpuInstanceProfile Profile, Placement Placement);

/// <summary>Why there are no places for a list of instances.</summary>
/// <param name="Unplaced">
/// The requests that were left when they were placed one after the other, scarce and large ones first. Others could have been left instead.
/// </param>
/// <param name="IsProved">
/// Whether no arrangement has room for all, for certain. If not, the search ended at its limit: there may be one that it has not come to.
/// </param>
/// <param name="Message">The reason, as a sentence.</param>
public sealed record PoolRefusal(IReadOnlyList<PoolRequest> Unplaced, bool IsProved, string Message)
{
    /// <summary>The message.</summary>
    public override string ToString() => Message;
}

/// <summary>
/// Many GPUs, and where the next instance should go: on a GPU that has instances already if possible, there where it costs the least
/// <see cref="GpuPlan.Room"/>, so that few GPUs are opened and large holes stay whole. No present instance is changed.
/// </summary>
/// <remarks>
/// <para>
/// The cost of a request does not depend on the number of GPUs: GPUs that have the same profiles in the same places are one class, and
/// each request looks at classes only, best first. A pool counts the instances that it has placed. Not for several threads at once.
/// </para>
/// <para>
/// <see cref="TryPlace"/> does not know the requests that follow: it finds the best place for each request, not for all of
/// them. If you know all of them, use <see cref="TryPlaceAll"/>.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// GpuPool pool = new(session.Devices.Select(gpu => new PoolGpu(gpu.Uuid, gpu.ReadSnapshot())));
/// if (pool.TryPlace(new PoolRequest("1g.5gb"), out PoolPlacement place))
///     session.Devices[place.Gpu].CreateGpuInstance(place.Profile, place.Placement);
/// </code>
/// </example>
public sealed class GpuPool
{
    private readonly PoolGpu[] _gpus;
    private readonly List<(int Kind, Run Run)>[] _standing;
    private readonly PoolClass[] _classOfGpu;
    private readonly Dictionary<string, PoolClass> _classes = new(StringComparer.Ordinal);
    private readonly List<PoolClass> _classesInOrder = [];
    private readonly Dictionary<PoolRequest, Offers> _offers = [];

    /// <summary>Creates a pool.</summary>
    /// <param name="gpus">The GPUs.</param>
    public GpuPool(IEnumerable<PoolGpu> gpus)
    {
        ArgumentNullException.ThrowIfNull(gpus);
        _gpus = [.. gpus];
        _classOfGpu = new PoolClass[_gpus.Length];
        _standing = new List<(int Kind, Run Run)>[_gpus.Length];
        Dictionary<GpuGeometry, (GeometryTables Shared, int Number)> geometries = [];
        for (int gpu = 0; gpu < _gpus.Length; gpu++)
        {
            SnapshotTables state = SnapshotTables.Of(_gpus[gpu].Snapshot);
            // Alike GPUs share one geometry, so that they can be of one class.
            if (!geometries.TryGetValue(state.Geometry.Geometry, out (GeometryTables Shared, int Number) geometry))
                geometries[state.Geometry.Geometry] = geometry = (state.Geometry, geometries.Count);
            int[] counts = new int[state.Geometry.Profiles.Count];
            _standing[gpu] = [.. state.Kinds.Zip(state.Runs)];
            foreach (int kind in state.Kinds)
                counts[kind]++;
            MoveTo(gpu, ClassOf(geometry.Shared, geometry.Number, _gpus[gpu].Group, state.Occupied, counts));
        }
    }

    /// <summary>The GPUs as they were given.</summary>
    public IReadOnlyList<PoolGpu> Gpus => _gpus;

    /// <summary>How many GPUs have instances, those placed here included.</summary>
    public int OpenedCount => _classesInOrder.Where(c => c.Occupied != 0).Sum(c => c.Count);

    /// <summary>Finds the best place for an instance and takes it.</summary>
    /// <param name="request">The request.</param>
    /// <param name="placement">Where it goes.</param>
    /// <returns>Whether there is a place.</returns>
    /// <exception cref="PlanningException">A GPU has several profiles of the name that is asked for: ask for the id.</exception>
    public bool TryPlace(PoolRequest request, out PoolPlacement placement)
    {
        ArgumentNullException.ThrowIfNull(request);
        placement = default;
        if (!_offers.TryGetValue(request, out Offers? offers))
            _offers[request] = offers = new Offers(request, _classesInOrder);
        if (offers.Best() is not { } best)
            return false;
        Offer offer = best.OfferFor(request);
        placement = Take(best.TakeFirst(_classOfGpu), best, offer.Kind, offer.Run);
        return true;
    }

    /// <summary>
    /// Finds places for all of a list of instances, and takes them all or none. As few GPUs are opened as can be, and on each the most room
    /// is left: every arrangement is looked at, unless that takes more than a second or so. Of more than 256 GPUs only the arrangement is
    /// looked at that comes of placing one after the other, scarce and large ones first.
    /// </summary>
    /// <param name="requests">The requests.</param>
    /// <param name="placements">Where each goes, in the order of the requests.</param>
    /// <param name="refusal">If there are no places for all, why.</param>
    /// <returns>Whether there are places for all.</returns>
    /// <exception cref="PlanningException">A GPU has several profiles of a name that is asked for: ask for the id.</exception>
    public bool TryPlaceAll(
        IReadOnlyList<PoolRequest> requests,
        [NotNullWhen(true)] out IReadOnlyList<PoolPlacement>? placements,
        [NotNullWhen(false)] out PoolRefusal? refusal)
    {
        ArgumentNullException.ThrowIfNull(requests);
        int openedBefore = OpenedCount;
        PoolPlacement[] found = new PoolPlacement[requests.Count];
        List<int> placed = [];
        List<int> left = [];
        Dictionary<PoolRequest, (int, int)> scarcity = requests.Distinct().ToDictionary(r => r, Scarcity);
        foreach (int i in Enumerable.Range(0, requests.Count)
            .OrderBy(i => scarcity[requests[i]])
            .ThenBy(i => requests[i].ToString(), StringComparer.Ordinal))
        {
            (TryPlace(requests[i], out found[i]) ? placed : left).Add(i);
        }

        placements = found;
        refusal = null;
        int opened = OpenedCount - openedBefore;
        if (left.Count == 0 && _gpus.Length > PoolSearch.MaxGpus)
            return true;
        if (left.Count == 0 && opened <= 1)
        {
            Rearrange(requests, found);
            return true;
        }

        foreach (int i in placed)
            Release(found[i]);
        PoolSearch search = new(requests, [.. _classesInOrder.Where(c => c.Count > 0)]);
        if (search.Find(left.Count == 0 ? opened - 1 : int.MaxValue) is { } fillings)
        {
            FillUp(requests, fillings, found);
            return true;
        }

        if (left.Count == 0)
        {
            TakeAgain(found);
            Rearrange(requests, found);
            return true;
        }

        placements = null;
        refusal = new PoolRefusal([.. left.Select(i => requests[i])], search.IsComplete, search.Explain());
        return false;
    }

    /// <summary>Frees the place of an instance that was placed here, or that was there before.</summary>
    /// <param name="placement">The place.</param>
    /// <exception cref="PlanningException">There is no instance of that profile.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The pool has no such GPU.</exception>
    public void Release(PoolPlacement placement)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(placement.Gpu, nameof(placement));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(placement.Gpu, _gpus.Length, nameof(placement));
        GeometryTables geometry = _classOfGpu[placement.Gpu].Geometry;
        int kind = geometry.IndexOf(placement.Profile);
        Run run = geometry.Memory.HasPlace(kind, placement.Placement) ? geometry.Memory.ToRun(placement.Placement) : default;
        if (!_standing[placement.Gpu].Remove((kind, run)))
        {
            throw new PlanningException(
                PlanningError.UnknownInstance,
                placement.Profile.Name,
                $"No {placement.Profile} stands at {placement.Placement} of GPU {_gpus[placement.Gpu].Name}.");
        }

        PoolClass before = LeaveClass(placement.Gpu);
        MoveTo(placement.Gpu, Step(before, kind, run, -1));
    }

    /// <summary>Requests that fit on few GPUs, or only few times on each, come first; of these the large ones.</summary>
    private (int MaxInstances, int Size) Scarcity(PoolRequest request) => _classesInOrder
        .Where(c => c.KindOf(request) >= 0)
        .Select(c => (Class: c, Profile: c.Geometry.Profiles[c.KindOf(request)]))
        .Select(
            p =>
                (p.Profile.Profile.MaxInstances, -p.Profile.Placements.Select(
                    place => place.Size * 64 / p.Class.Geometry.Geometry.MemorySliceCount).DefaultIfEmpty().Max()))
        .DefaultIfEmpty()
        .Min();

    /// <summary>
    /// Instances that were placed one after the other are where each was best for itself: on each GPU they are placed again, so that all
    /// together leaves the most room.
    /// </summary>
    private void Rearrange(IReadOnlyList<PoolRequest> requests, PoolPlacement[] found)
    {
        foreach (int[] together in (int[][])[.. found.Index().GroupBy(f => f.Item.Gpu, f => f.Index).Where(g => g.Count() > 1)
            .Select(g => g.ToArray())])
        {
            PoolPlacement[] there = [.. together.Select(i => found[i])];
            PoolRequest[] wanted = [.. together.Select(i => requests[i])];
            foreach (PoolPlacement place in there)
                Release(place);
            if (new PoolSearch(wanted, [_classOfGpu[there[0].Gpu]]).Find(1) is { } fillings)
                FillUp(wanted, fillings, there);
            else
                TakeAgain(there);
            foreach ((int index, PoolPlacement place) in together.Zip(there))
                found[index] = place;
        }
    }

    /// <summary>Takes places that were given back.</summary>
    private void TakeAgain(IEnumerable<PoolPlacement> places)
    {
        foreach (PoolPlacement place in places)
        {
            PoolClass before = LeaveClass(place.Gpu);
            Take(place.Gpu, before, before.Geometry.IndexOf(place.Profile), before.Geometry.Memory.ToRun(place.Placement));
        }
    }

    private void FillUp(
        IReadOnlyList<PoolRequest> requests, IReadOnlyList<(PoolClass Class, PoolFilling Filling)> fillings, PoolPlacement[] found)
    {
        Dictionary<PoolRequest, Queue<int>> open = requests.Index().GroupBy(r => r.Item, r => r.Index)
            .ToDictionary(g => g.Key, g => new Queue<int>(g));
        foreach ((PoolClass from, PoolFilling filling) in fillings.Where(f => f.Filling.Instances.Length > 0))
        {
            int gpu = from.TakeFirst(_classOfGpu);
            PoolClass now = from;
            foreach ((PoolRequest request, int kind, Run run) in filling.Instances)
            {
                found[open[request].Dequeue()] = Take(gpu, now, kind, run);
                now = LeaveClass(gpu);
            }

            now.Add(gpu);
        }
    }

    /// <summary>Takes a place on a GPU that has left its class.</summary>
    private PoolPlacement Take(int gpu, PoolClass before, int kind, Run run)
    {
        _standing[gpu].Add((kind, run));
        MoveTo(gpu, before.After(kind, run) ?? before.Remember(kind, run, Step(before, kind, run, 1)));
        return new PoolPlacement(gpu, before.Geometry.Profiles[kind].Profile, before.Geometry.Memory.ToPlacement(run));
    }

    private PoolClass LeaveClass(int gpu)
    {
        PoolClass left = _classOfGpu[gpu];
        left.Count--;
        return left;
    }

    private PoolClass Step(PoolClass before, int kind, Run run, int change)
    {
        int[] counts = [.. before.Counts];
        counts[kind] += change;
        return ClassOf(before.Geometry, before.GeometryNumber, before.Group, before.Occupied ^ run.Mask, counts);
    }

    private PoolClass ClassOf(GeometryTables geometry, int geometryNumber, string group, uint occupied, int[] counts)
    {
        string key = $"{geometryNumber} {occupied} {string.Join(',', counts)} {group}";
        if (!_classes.TryGetValue(key, out PoolClass? found))
        {
            _classes[key] = found = new PoolClass(_classesInOrder.Count, geometry, geometryNumber, group, occupied, counts);
            _classesInOrder.Add(found);
        }

        return found;
    }

    private void MoveTo(int gpu, PoolClass to)
    {
        _classOfGpu[gpu] = to;
        to.Add(gpu);
        if (to.Count == 1)
        {
            foreach (Offers offers in _offers.Values)
                offers.Add(to);
        }
    }

    /// <summary>
    /// The classes that have a place for a request, best first. Classes that ran out of GPUs are dropped when they come up.
    /// </summary>
    private sealed class Offers
    {
        private readonly PoolRequest _request;
        private readonly PriorityQueue<PoolClass, (bool Opens, long Loss, int Index)> _queue = new();
        private readonly HashSet<int> _queued = [];

        public Offers(PoolRequest request, IEnumerable<PoolClass> classes)
        {
            _request = request;
            foreach (PoolClass known in classes)
                Add(known);
        }

        public void Add(PoolClass added)
        {
            if (added.Count > 0 && added.OfferFor(_request) is { IsNone: false } offer && _queued.Add(added.Index))
                _queue.Enqueue(added, (added.Occupied == 0, offer.Loss, added.Index));
        }

        public PoolClass? Best()
        {
            while (_queue.TryPeek(out PoolClass? best, out _))
            {
                if (best.Count > 0)
                    return best;
                _queue.Dequeue();
                _queued.Remove(best.Index);
            }

            return null;
        }
    }
}
