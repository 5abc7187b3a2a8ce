namespace Nvml.Mig.Planning;

/// <summary>Looks for wishes like one that cannot be fulfilled, but that can.</summary>
internal sealed class NearestWishes(GpuState state, Wish wish, uint allowed)
{
    private const int MaxFound = 3;

    /// <summary>Wishes that are tried before nothing near is assumed to fit.</summary>
    private const int MaxTried = 3000;

    private GpuGeometry Geometry => state.Geometry;

    /// <summary>One step away, then two steps, until some fit: a step leaves an instance out or takes a smaller one.</summary>
    public IReadOnlyList<Wish> Find()
    {
        WishItem[] start = Merge([.. wish.Items, .. MissingInUse()]);
        HashSet<string> seen = [new Wish(start).ToString()];
        List<WishItem[]> level = [start];
        bool isTheSame = start.Length == wish.Items.Count;
        if (!isTheSame && IsPossible(start))
            return [new Wish(start)];
        while (level.Count > 0)
        {
            List<WishItem[]> next = [];
            foreach (WishItem[] items in level)
            {
                foreach (WishItem[] nearer in Steps(items))
                {
                    if (seen.Count < MaxTried && seen.Add(new Wish(nearer).ToString()))
                        next.Add(nearer);
                }
            }

            WishItem[][] possible = [.. next.Where(IsPossible)];
            if (possible.Length > 0)
            {
                return [.. possible
                    .OrderByDescending(Memory)
                    .ThenByDescending(ComputeSlices)
                    .ThenBy(items => items.Length)
                    .ThenBy(items => new Wish(items).ToString(), StringComparer.Ordinal)
                    .Take(MaxFound)
                    .Select(items => new Wish(items))];
            }

            level = next;
        }

        return [];
    }

    /// <summary>What is in use and not part of a layout that is wished must be part of one that is possible.</summary>
    private IEnumerable<WishItem> MissingInUse()
    {
        if (wish.IsChange)
            yield break;
        int[] wanted = new int[Geometry.Profiles.Count];
        foreach (WishItem item in wish.Items.Where(i => i.Shared is null))
            wanted[Geometry.IndexOf(item.Profile)] += item.Count;
        WishItem[] there = [.. Wish.For(state).Items];
        for (int i = 0; i < there.Length; i++)
        {
            if (state.IsInUse[i] && (allowed >> i & 1) == 0 && (!state.IsWholeOrEmpty[i] || wanted[state.Kinds[i]]-- <= 0))
                yield return there[i];
        }
    }

    private IEnumerable<WishItem[]> Steps(WishItem[] items)
    {
        WishItem[] mustBe = [.. MissingInUse()];
        for (int i = 0; i < items.Length; i++)
        {
            WishItem item = items[i];
            if (item.Kind == WishKind.Remove || mustBe.Contains(item))
                continue;
            WishItem[] others = [.. items[..i], .. items[(i + 1)..]];
            WishItem[] without = item.Count > 1 ? [.. others, item with { Count = item.Count - 1 }] : others;
            if (without.Any(o => o.Kind != WishKind.Remove))
                yield return Merge(without);
            if (item.Start is not null)
                yield return Merge([.. others, item with { Start = null }]);
            if (item.Shared is not null)
                continue;
            GpuInstanceProfile profile = Geometry.GetProfile(item.Profile).Profile;
            foreach (GpuInstanceProfile smaller in Geometry.Profiles.Select(p => p.Profile))
            {
                if (smaller.Id != profile.Id && smaller.MemoryMiB <= profile.MemoryMiB && smaller.SliceCount <= profile.SliceCount)
                    yield return Merge([.. without, new WishItem(Geometry.NameOf(smaller)) { Kind = item.Kind }]);
            }
        }
    }

    private bool IsPossible(WishItem[] items) =>
        !Overlap(items) && Planner.IsPossible(state, Planner.Resolve(state, new Wish(items)), allowed);

    /// <summary>What is in use can stand where something was wished at a placement.</summary>
    private bool Overlap(WishItem[] items)
    {
        uint taken = 0;
        foreach (WishItem item in items.Where(i => i.Start is not null))
        {
            Placement place = Geometry.GetProfile(item.Profile).Placements.First(p => p.Start == item.Start);
            uint mask = Geometry.Memory.ToRun(place).Mask;
            if ((taken & mask) != 0)
                return true;
            taken |= mask;
        }

        return false;
    }

    private long Memory(WishItem[] items) =>
        items.Where(i => i.Kind != WishKind.Remove).Sum(i => Geometry.GetProfile(i.Profile).Profile.MemoryMiB * i.Count);

    private int ComputeSlices(WishItem[] items) =>
        items.Where(i => i.Kind != WishKind.Remove).Sum(i => Geometry.GetProfile(i.Profile).Profile.SliceCount * i.Count);

    /// <summary>Equal items as one, under the names of profiles, large ones first as people write them.</summary>
    private WishItem[] Merge(IEnumerable<WishItem> items) =>
        [.. items
            .Select(i => i.GpuInstanceId is null ? i with { Profile = Geometry.NameOf(Geometry.GetProfile(i.Profile).Profile) } : i)
            .GroupBy(i => (Text: (i with { Count = 1 }).ToString(), i.Start))
            .SelectMany(same => same.Key.Start is null && same.First().GpuInstanceId is null ? [same.First() with { Count = same.Sum(i => i.Count) }] : same.AsEnumerable())
            .OrderByDescending(i => i.GpuInstanceId is null ? Geometry.IndexOf(i.Profile) : -1)
            .ThenBy(i => i.ToString(), StringComparer.Ordinal)];
}
