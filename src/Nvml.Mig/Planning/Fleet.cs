using System.Diagnostics.CodeAnalysis;

namespace Nvml.Mig.Planning;

/// <summary>A GPU of a fleet.</summary>
/// <param name="Name">What the caller calls it: an index, a UUID, node and index.</param>
/// <param name="State">What stands on it.</param>
/// <param name="Group">What requests can choose GPUs by: a model, a node pool. GPUs of one group need not be alike.</param>
public sealed record FleetGpu(string Name, GpuState State, string Group = "");

/// <summary>A GPU instance that somebody wants somewhere in a fleet.</summary>
/// <param name="Profile">The profile's name or id. GPUs that have no such profile are left out.</param>
/// <param name="Group">The group of GPUs to place it on; null: any.</param>
public sealed record FleetRequest(string Profile, string? Group = null)
{
    /// <summary><c>3g.20gb</c>, or <c>3g.20gb on a100</c></summary>
    public override string ToString() => Group is null ? Profile : $"{Profile} on {Group}";
}

/// <summary>Where a requested instance goes.</summary>
/// <param name="Gpu">The index of the GPU in the fleet.</param>
/// <param name="Profile">The profile.</param>
/// <param name="Placement">The placement.</param>
public readonly record struct FleetPlacement(int Gpu, GpuInstanceProfile Profile, Placement Placement);

/// <summary>
/// Many GPUs, and where the next instance should go: on a GPU that has instances already if possible, there where it costs the least
/// <see cref="GpuPlan.Room"/>, so that few GPUs are opened and large holes stay whole. Nothing that stands is touched.
/// </summary>
/// <remarks>
/// What a request costs does not depend on the number of GPUs: GPUs on which the same profiles stand in the same places are one class, and
/// each request looks at classes only, best first. A fleet keeps account of what it has placed. Not for several threads at once.
/// </remarks>
public sealed class Fleet
{
    /// <summary>What <see cref="TryPlaceAll"/> tries when placing the large ones first did not work.</summary>
    private const int MaxTries = 20_000;

    private readonly FleetGpu[] _gpus;
    private readonly FleetClass[] _classOfGpu;
    private readonly Dictionary<string, FleetClass> _classes = new(StringComparer.Ordinal);
    private readonly List<FleetClass> _classesInOrder = [];
    private readonly Dictionary<FleetRequest, Offers> _offers = [];

    /// <summary>Takes in a fleet.</summary>
    /// <param name="gpus">The GPUs.</param>
    public Fleet(IEnumerable<FleetGpu> gpus)
    {
        ArgumentNullException.ThrowIfNull(gpus);
        _gpus = [.. gpus];
        _classOfGpu = new FleetClass[_gpus.Length];
        Dictionary<GpuGeometry, (GpuGeometry Shared, int Number)> geometries = [];
        for (int gpu = 0; gpu < _gpus.Length; gpu++)
        {
            GpuState state = _gpus[gpu].State;
            // Alike GPUs share one geometry, so that they can be of one class.
            if (!geometries.TryGetValue(state.Geometry, out (GpuGeometry Shared, int Number) geometry))
                geometries[state.Geometry] = geometry = (state.Geometry, geometries.Count);
            int[] counts = new int[state.Geometry.Profiles.Count];
            foreach (int kind in state.Kinds)
                counts[kind]++;
            MoveTo(gpu, ClassOf(geometry.Shared, geometry.Number, _gpus[gpu].Group, state.Occupied, counts));
        }
    }

    /// <summary>The GPUs as they were given.</summary>
    public IReadOnlyList<FleetGpu> Gpus => _gpus;

    /// <summary>How many GPUs have instances, those placed here included.</summary>
    public int OpenedCount => _classesInOrder.Where(c => c.Occupied != 0).Sum(c => c.Count);

    /// <summary>Finds the best place for an instance and takes it.</summary>
    /// <param name="request">What is wanted.</param>
    /// <param name="placement">Where it goes.</param>
    /// <returns>Whether there is a place.</returns>
    public bool TryPlace(FleetRequest request, out FleetPlacement placement)
    {
        ArgumentNullException.ThrowIfNull(request);
        placement = default;
        if (!_offers.TryGetValue(request, out Offers? offers))
            _offers[request] = offers = new Offers(request, _classesInOrder);
        if (offers.Best() is not { } best)
            return false;
        int gpu = best.TakeFirst(_classOfGpu);
        Offer offer = best.OfferFor(request);
        placement = new FleetPlacement(gpu, best.Geometry.Profiles[offer.Kind].Profile, best.Geometry.Memory.ToPlacement(offer.Run));
        MoveTo(gpu, After(best, offer.Kind, offer.Run));
        return true;
    }

    /// <summary>
    /// Finds places for all of a list of instances, and takes them all or none. The large ones are placed first, each as by
    /// <see cref="TryPlace"/>. If that does not work, other arrangements are tried, on small fleets all of them.
    /// </summary>
    /// <param name="requests">What is wanted.</param>
    /// <param name="placements">Where each goes, in the order of the requests.</param>
    /// <param name="unplaced">The requests for which there was no place, the first time.</param>
    /// <returns>Whether there is a place for all.</returns>
    public bool TryPlaceAll(
        IReadOnlyList<FleetRequest> requests,
        [NotNullWhen(true)] out IReadOnlyList<FleetPlacement>? placements,
        out IReadOnlyList<FleetRequest> unplaced)
    {
        ArgumentNullException.ThrowIfNull(requests);
        int[] order = [.. Enumerable.Range(0, requests.Count).OrderByDescending(i => LargestSize(requests[i])).ThenBy(i => requests[i].ToString(), StringComparer.Ordinal)];
        FleetPlacement[] found = new FleetPlacement[requests.Count];
        List<FleetRequest> left = [];
        List<int> placed = [];
        foreach (int i in order)
        {
            if (TryPlace(requests[i], out found[i]))
                placed.Add(i);
            else
                left.Add(requests[i]);
        }

        unplaced = left;
        placements = found;
        if (left.Count == 0)
            return true;
        foreach (int i in placed)
            Release(found[i]);
        int tries = 0;
        if (Arrange(requests, order, 0, found, [], ref tries))
        {
            unplaced = [];
            return true;
        }

        placements = null;
        return false;
    }

    /// <summary>Gives a place back that was taken here.</summary>
    /// <param name="placement">The place.</param>
    /// <exception cref="PlanningException">Nothing of that profile stands there.</exception>
    public void Release(FleetPlacement placement)
    {
        FleetClass before = _classOfGpu[placement.Gpu];
        int kind = before.Geometry.IndexOf(placement.Profile);
        Run run = before.Geometry.Memory.ToRun(placement.Placement);
        if (before.Counts[kind] == 0 || (before.Occupied & run.Mask) != run.Mask)
        {
            throw new PlanningException(
                PlanningError.UnknownInstance, placement.Profile.Name, $"No {placement.Profile} stands at {placement.Placement} of GPU {_gpus[placement.Gpu].Name}.");
        }

        before.Count--;
        MoveTo(placement.Gpu, Without(before, kind, run));
    }

    private static int LargestSize(FleetRequest request, FleetClass of) =>
        of.KindOf(request) is >= 0 and var kind ? of.Geometry.Profiles[kind].Placements.Select(p => p.Size * 64 / of.Geometry.MemorySliceCount).DefaultIfEmpty().Max() : 0;

    private int LargestSize(FleetRequest request) => _classesInOrder.Select(c => LargestSize(request, c)).DefaultIfEmpty().Max();

    /// <summary>Tries all places of all classes for each request; where it has been before, it does not go again.</summary>
    private bool Arrange(IReadOnlyList<FleetRequest> requests, int[] order, int index, FleetPlacement[] found, HashSet<string> seen, ref int tries)
    {
        if (index == order.Length)
            return true;
        string here = $"{index} {string.Join(' ', _classesInOrder.Where(c => c.Count > 0).Select(c => $"{c.Index}*{c.Count}"))}";
        if (!seen.Add(here))
            return false;
        FleetRequest request = requests[order[index]];
        foreach (FleetClass from in _classesInOrder.Where(c => c.Count > 0).OrderBy(c => c.Occupied == 0).ToArray())
        {
            foreach (Offer offer in from.AllOffersFor(request))
            {
                if (++tries > MaxTries)
                    return false;
                int gpu = from.TakeFirst(_classOfGpu);
                found[order[index]] = new FleetPlacement(gpu, from.Geometry.Profiles[offer.Kind].Profile, from.Geometry.Memory.ToPlacement(offer.Run));
                MoveTo(gpu, After(from, offer.Kind, offer.Run));
                if (Arrange(requests, order, index + 1, found, seen, ref tries))
                    return true;
                Release(found[order[index]]);
            }
        }

        return false;
    }

    private FleetClass After(FleetClass before, int kind, Run run) =>
        before.After(kind, run) ?? before.Remember(kind, run, Step(before, kind, run, 1));

    private FleetClass Without(FleetClass before, int kind, Run run) => Step(before, kind, run, -1);

    private FleetClass Step(FleetClass before, int kind, Run run, int change)
    {
        int[] counts = [.. before.Counts];
        counts[kind] += change;
        return ClassOf(before.Geometry, before.GeometryNumber, before.Group, before.Occupied ^ run.Mask, counts);
    }

    private FleetClass ClassOf(GpuGeometry geometry, int geometryNumber, string group, uint occupied, int[] counts)
    {
        string key = $"{geometryNumber} {occupied} {string.Join(',', counts)} {group}";
        if (!_classes.TryGetValue(key, out FleetClass? found))
        {
            _classes[key] = found = new FleetClass(_classesInOrder.Count, geometry, geometryNumber, group, occupied, counts);
            _classesInOrder.Add(found);
        }

        return found;
    }

    private void MoveTo(int gpu, FleetClass to)
    {
        _classOfGpu[gpu] = to;
        to.Add(gpu);
        if (to.Count == 1)
        {
            foreach (Offers offers in _offers.Values)
                offers.Add(to);
        }
    }

    /// <summary>The classes that have a place for a request, best first. Classes that ran out of GPUs are dropped when they come up.</summary>
    private sealed class Offers
    {
        private readonly FleetRequest _request;
        private readonly PriorityQueue<FleetClass, (bool Opens, long Loss, int Index)> _queue = new();
        private readonly HashSet<int> _queued = [];

        public Offers(FleetRequest request, IEnumerable<FleetClass> classes)
        {
            _request = request;
            foreach (FleetClass known in classes)
                Add(known);
        }

        public void Add(FleetClass added)
        {
            if (added.Count > 0 && added.OfferFor(_request) is { IsNone: false } offer && _queued.Add(added.Index))
                _queue.Enqueue(added, (added.Occupied == 0, offer.Loss, added.Index));
        }

        public FleetClass? Best()
        {
            while (_queue.TryPeek(out FleetClass? best, out _))
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
