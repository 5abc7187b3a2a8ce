namespace Nvml.Mig.Planning;

/// <summary>Looks for specs like one that cannot be fulfilled, but that can.</summary>
internal sealed class NearestSpecs(SnapshotTables state, LayoutSpec spec, Guard guard)
{
    private const int MaxFound = 3;

    /// <summary>Wishes that are tried before nothing near is assumed to fit.</summary>
    private const int MaxTried = 3000;

    private GeometryTables Geometry => state.Geometry;

    /// <summary>One step away, then two steps, until some fit: a step leaves an instance out or takes a smaller one.</summary>
    public IReadOnlyList<LayoutSpec> Find()
    {
        InstanceSpec[] start = [.. Merge([.. spec.Items, .. MissingInUse()]).Select(Clip)];
        HashSet<string> seen = [new LayoutSpec(start).ToString()];
        List<InstanceSpec[]> level = [start];
        bool isTheSame = start.Sum(i => i.Count) == spec.Items.Sum(i => i.Count);
        if (!isTheSame && IsPossible(start))
            return [new LayoutSpec(start)];
        while (level.Count > 0)
        {
            List<InstanceSpec[]> next = [];
            foreach (InstanceSpec[] items in level)
            {
                foreach (InstanceSpec[] nearer in Steps(items))
                {
                    if (seen.Count < MaxTried && seen.Add(new LayoutSpec(nearer).ToString()))
                        next.Add(nearer);
                }
            }

            InstanceSpec[][] possible = [.. next.Where(IsPossible)];
            if (possible.Length > 0)
            {
                return [.. possible
                    .OrderByDescending(Memory)
                    .ThenByDescending(ComputeSlices)
                    .ThenBy(items => items.Length)
                    .ThenBy(items => new LayoutSpec(items).ToString(), StringComparer.Ordinal)
                    .Take(MaxFound)
                    .Select(items => new LayoutSpec(items))];
            }

            level = next;
        }

        return [];
    }

    /// <summary>Far more of a profile than a GPU can have is not reduced one by one.</summary>
    private InstanceSpec Clip(InstanceSpec item) =>
        item.Kind == InstanceSpecKind.Remove || item.Shared is not null
            ? item
            : item with { Count = Math.Min(item.Count, Geometry.Geometry.GetProfile(item.Profile).Profile.MaxInstances + 4) };

    /// <summary>Instances that must stay and that the spec lacks are part of every spec that is possible.</summary>
    private IEnumerable<InstanceSpec> MissingInUse()
    {
        if (spec.IsChange)
            yield break;
        int[] wanted = new int[Geometry.Profiles.Count];
        foreach (InstanceSpec item in spec.Items.Where(i => i.Shared is null))
            wanted[Geometry.IndexOf(item.Profile)] += item.Count;
        InstanceSpec[] there = [.. LayoutSpec.For(state.Snapshot).Items];
        for (int i = 0; i < there.Length; i++)
        {
            if (guard.Protects(state, i) && (!state.IsWholeOrEmpty[i] || wanted[state.Kinds[i]]-- <= 0))
                yield return there[i];
        }
    }

    private IEnumerable<InstanceSpec[]> Steps(InstanceSpec[] items)
    {
        InstanceSpec[] mustBe = [.. MissingInUse()];
        for (int i = 0; i < items.Length; i++)
        {
            InstanceSpec item = items[i];
            if (item.Kind == InstanceSpecKind.Remove || mustBe.Contains(item))
                continue;
            InstanceSpec[] others = [.. items[..i], .. items[(i + 1)..]];
            InstanceSpec[] without = item.Count > 1 ? [.. others, item with { Count = item.Count - 1 }] : others;
            if (without.Any(o => o.Kind != InstanceSpecKind.Remove))
                yield return Merge(without);
            if (item.Start is not null)
                yield return Merge([.. others, item with { Start = null }]);
            if (item.Shared is not null)
                continue;
            GpuInstanceProfile profile = Geometry.Geometry.GetProfile(item.Profile).Profile;
            foreach (GpuInstanceProfile smaller in Geometry.Profiles.Select(p => p.Profile))
            {
                if (smaller.Id != profile.Id && smaller.MemoryMiB <= profile.MemoryMiB && smaller.SliceCount <= profile.SliceCount)
                    yield return Merge([.. without, new InstanceSpec(Geometry.Geometry.NameOf(smaller)) { Kind = item.Kind }]);
            }
        }
    }

    private bool IsPossible(InstanceSpec[] items) =>
        !Overlap(items) && Planner.IsPossible(state, ResolvedSpec.Of(new LayoutSpec(items), state), guard);

    /// <summary>An instance that must stay can have the place that an item asks for.</summary>
    private bool Overlap(InstanceSpec[] items)
    {
        uint taken = 0;
        foreach (InstanceSpec item in items.Where(i => i.Start is not null))
        {
            Placement place = Geometry.Geometry.GetProfile(item.Profile).Placements.First(p => p.Start == item.Start);
            uint mask = Geometry.Memory.ToRun(place).Mask;
            if ((taken & mask) != 0)
                return true;
            taken |= mask;
        }

        return false;
    }

    private long Memory(InstanceSpec[] items) =>
        items.Where(i => i.Kind != InstanceSpecKind.Remove).Sum(i => Geometry.Geometry.GetProfile(i.Profile).Profile.MemoryMiB * i.Count);

    private int ComputeSlices(InstanceSpec[] items) =>
        items.Where(i => i.Kind != InstanceSpecKind.Remove).Sum(i => Geometry.Geometry.GetProfile(i.Profile).Profile.SliceCount * i.Count);

    /// <summary>Equal items as one, under the names of profiles, large ones first as people write them.</summary>
    private InstanceSpec[] Merge(IEnumerable<InstanceSpec> items) =>
        [.. items
            .Select(
                i =>
                    i.GpuInstanceId is null ? i with
                    {
                        Profile = Geometry.Geometry.NameOf(Geometry.Geometry.GetProfile(i.Profile).Profile),
                    } : i)
            .GroupBy(i => (Text: (i with { Count = 1 }).ToString(), i.Start))
            .SelectMany(
                same =>
                    same.Key.Start is null && same.First().GpuInstanceId is null
                        ? [same.First() with { Count = same.Sum(i => i.Count) }]
                        : same.AsEnumerable())
            .OrderByDescending(i => i.GpuInstanceId is null ? Geometry.IndexOf(i.Profile) : -1)
            .ThenBy(i => i.ToString(), StringComparer.Ordinal)];
}
