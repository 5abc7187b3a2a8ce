using Nvml.Mig.Tests.Simulator;

namespace Nvml.Mig.Tests.Planning;

/// <summary>A place of a profile.</summary>
internal sealed record Spot(int Index, GpuInstanceProfile Profile, Placement Place);

/// <summary>
/// Every layout of a GPU, found by trying all sets of places: what the planner's answers are compared with. It shares no code with the
/// planner and is no cleverer than it must be.
/// </summary>
internal sealed class BruteForce
{
    private readonly Dictionary<string, List<ulong>> _layoutsByMultiset = [];
    private readonly Engines _engines;
    private readonly int _computeSlices;

    public BruteForce(GpuGeometry geometry)
    {
        Geometry = geometry;
        Profiles = [.. geometry.Profiles.Select(p => p.Profile)];
        Spots = [.. geometry.Profiles
            .SelectMany(p => p.Placements.Select(place => (p.Profile, place)))
            .Select((spot, index) => new Spot(index, spot.Profile, spot.place))];
        Spots.Count.Should().BeLessThanOrEqualTo(64, "a layout is a set of bits");
        _engines = Engines.OfTheWhole(Profiles);
        _computeSlices = Profiles.Max(p => p.SliceCount);
        List<ulong> all = [];
        Extend(0, 0, [], all);
        Layouts = all;
        foreach (ulong layout in all)
        {
            string key = Multiset(layout);
            if (!_layoutsByMultiset.TryGetValue(key, out List<ulong>? same))
                _layoutsByMultiset[key] = same = [];
            same.Add(layout);
        }
    }

    public GpuGeometry Geometry { get; }

    public IReadOnlyList<GpuInstanceProfile> Profiles { get; }

    public IReadOnlyList<Spot> Spots { get; }

    /// <summary>Sets of spots, the empty one included.</summary>
    public IReadOnlyList<ulong> Layouts { get; }

    public static bool Has(ulong layout, Spot spot) => (layout >> spot.Index & 1) != 0;

    public IEnumerable<Spot> SpotsOf(ulong layout) => Spots.Where(spot => Has(layout, spot));

    public Spot SpotOf(GpuInstanceSnapshot instance) => Spots.Single(s => s.Profile == instance.Profile && s.Place == instance.Placement);

    public ulong LayoutOf(GpuSnapshot state) =>
        state.Instances.Aggregate(0UL, (layout, instance) => layout | 1UL << SpotOf(instance).Index);

    public int[] CountsOf(ulong layout)
    {
        int[] counts = new int[Profiles.Count];
        for (int kind = 0; kind < counts.Length; kind++)
            counts[kind] = Spots.Count(spot => Has(layout, spot) && spot.Profile == Profiles[kind]);
        return counts;
    }

    /// <summary>The layouts that have this many instances of each profile.</summary>
    public IReadOnlyList<ulong> LayoutsWith(IEnumerable<int> counts) =>
        _layoutsByMultiset.GetValueOrDefault(string.Join(',', counts)) ?? [];

    /// <summary>The free places of profiles of which one more is allowed, each with the square of its size.</summary>
    public long RoomIn(ulong layout)
    {
        Spot[] there = [.. SpotsOf(layout)];
        return Spots
            .Where(
                spot =>
                    !Array.Exists(there, t => t.Place.Overlaps(spot.Place))
                        && MayStandTogether([.. there.Select(t => t.Profile), spot.Profile]))
            .Sum(spot => (long)spot.Place.Size * spot.Place.Size);
    }

    private string Multiset(ulong layout) => string.Join(',', CountsOf(layout));

    private void Extend(int next, ulong layout, List<Spot> chosen, List<ulong> all)
    {
        if (next == Spots.Count)
        {
            all.Add(layout);
            return;
        }

        Extend(next + 1, layout, chosen, all);
        Spot spot = Spots[next];
        if (chosen.Exists(other => other.Place.Overlaps(spot.Place)))
            return;
        chosen.Add(spot);
        if (MayStandTogether([.. chosen.Select(c => c.Profile)]))
            Extend(next + 1, layout | 1UL << next, chosen, all);
        chosen.RemoveAt(chosen.Count - 1);
    }

    private bool MayStandTogether(IReadOnlyCollection<GpuInstanceProfile> profiles) =>
        profiles.Sum(p => p.SliceCount) <= _computeSlices
        && profiles.GroupBy(p => p.Id).All(same => same.Count() <= same.First().MaxInstances)
        && _engines.Suffice(profiles);
}
