using System.Numerics;

namespace Nvml.Mig.Planning;

/// <summary>Finds the fewest instances that, once removed beside what a change removes, leave room for it.</summary>
internal static class Removals
{
    /// <summary>How many sets of instances are tried on GPUs with very many of them; 12 instances have no more sets.</summary>
    private const int MaxSets = 1 << 12;

    /// <summary>
    /// The smallest set of idle instances, or if none helps of any, but those that are kept, and those of a profile that is wanted: with
    /// the fewest in use, then the least memory.
    /// </summary>
    public static IReadOnlyList<GpuInstanceSnapshot>? FindAny(SnapshotTables state, LayoutSpec spec, Guard guard)
    {
        uint possible = ~guard.Kept & ~Wanted(state, spec);
        List<uint> sets = FindSmallest(state, spec, guard, possible & Idle(state, guard));
        if (sets.Count == 0)
            sets = FindSmallest(state, spec, guard, possible);
        return sets.Count == 0
            ? null
            : [.. Chosen(state, sets.MinBy(set => (Chosen(state, set).Count(i => i.IsAnythingInUse), Memory(Chosen(state, set)))))];
    }

    /// <summary>
    /// Of the plans that the removal of the fewest idle instances makes possible, the one that destroys the fewest instances and the least
    /// memory; null if none does. A whole layout names all that stays: nothing more can be removed.
    /// </summary>
    public static GpuPlan? PlanEviction(SnapshotTables state, LayoutSpec spec, Guard guard)
    {
        if (!spec.IsChange)
            return null;
        return FindSmallest(state, spec, guard, Idle(state, guard) & ~Wanted(state, spec))
            .Select(set => Planner.Search(state, new ResolvedSpec(spec, state, set), guard)!)
            .MinBy(plan => (plan.DestroyedCount, Memory(plan.Destroyed), -plan.Room));
    }

    private static List<uint> FindSmallest(SnapshotTables state, LayoutSpec spec, Guard guard, uint candidates)
    {
        int count = state.Kinds.Length;
        int tried = 0;
        for (int size = 1; size <= count; size++)
        {
            List<uint> helping = [];
            foreach (uint set in Sets(count, size))
            {
                if ((set & ~candidates) != 0)
                    continue;
                if (++tried > MaxSets)
                    return [];
                if (Planner.IsPossible(state, new ResolvedSpec(spec, state, set), guard with { Allowed = guard.Allowed | set }))
                    helping.Add(set);
            }

            if (helping.Count > 0)
                return helping;
        }

        return [];
    }

    /// <summary>The instances of profiles that are to be added: to give one for another like it gains nothing.</summary>
    private static uint Wanted(SnapshotTables state, LayoutSpec spec)
    {
        GpuInstanceProfile[] added = [.. spec.Items.Where(item => item.Kind == InstanceSpecKind.Add)
            .Select(item => state.Geometry.Geometry.GetProfile(item.Profile).Profile)];
        uint wanted = 0;
        for (int i = 0; i < state.Instances.Count; i++)
            wanted |= added.Contains(state.Instances[i].Profile) ? 1U << i : 0;
        return wanted;
    }

    private static uint Idle(SnapshotTables state, Guard guard)
    {
        uint idle = 0;
        for (int i = 0; i < state.Kinds.Length; i++)
            idle |= guard.Protects(state, i) ? 0 : 1U << i;
        return idle;
    }

    private static long Memory(IEnumerable<GpuInstanceSnapshot> instances) => instances.Sum(i => i.Profile.MemoryMiB);

    private static IEnumerable<GpuInstanceSnapshot> Chosen(SnapshotTables state, uint set) =>
        state.Instances.Where((_, i) => (set >> i & 1) != 0);

    /// <summary>The sets of this many of the first numbers, in rising order (Gosper's hack).</summary>
    private static IEnumerable<uint> Sets(int count, int size)
    {
        ulong set = (1UL << size) - 1;
        while (set >> count == 0)
        {
            yield return (uint)set;
            ulong lowest = set & (~set + 1);
            ulong ripple = set + lowest;
            set = ripple | (((set ^ ripple) >> 2) >> BitOperations.TrailingZeroCount(lowest));
        }
    }
}
