using System.Globalization;

namespace Nvml.Mig.Planning;

/// <summary>Finds out why there is no plan, and what would help.</summary>
internal sealed class Explainer
{
    private readonly SnapshotTables _state;
    private readonly LayoutSpec _spec;
    private readonly ResolvedSpec _resolved;
    private readonly Guard _guard;

    private Explainer(SnapshotTables state, LayoutSpec spec, ResolvedSpec resolved, Guard guard)
    {
        _state = state;
        _spec = spec;
        _resolved = resolved;
        _guard = guard;
    }

    private GeometryTables Geometry => _state.Geometry;

    public static PlanRefusal Explain(SnapshotTables state, LayoutSpec spec, ResolvedSpec resolved, Guard guard) =>
        new Explainer(state, spec, resolved, guard).Explain();

    private PlanRefusal Explain()
    {
        GpuPlan? plan = Planner.Search(_state, _resolved, _guard with { Allowed = uint.MaxValue });
        PlanRefusalReason reason = PlanRefusalReason.InUse;
        if (plan is null && _guard.Kept != 0)
        {
            plan = Planner.Search(_state, _resolved, new Guard(Allowed: uint.MaxValue, Kept: 0));
            reason = PlanRefusalReason.Kept;
        }

        GpuInstanceSnapshot[] inTheWay = plan is null ? [] : [.. TouchedBy(plan, reason)];
        return new PlanRefusal(
            _state.Snapshot,
            _spec,
            plan is null ? PlanRefusalReason.NoRoom : reason,
            plan is null ? [.. Shortages(_resolved.Demands[0])] : [],
            inTheWay,
            plan is null ? [] : [.. BlockedPlacements()],
            _spec.IsChange ? () => Removals.FindAny(_state, _spec, _guard)
                : () => inTheWay.Length > 0 && reason == PlanRefusalReason.InUse ? inTheWay : null,
            () => new NearestSpecs(_state, _spec, _guard).Find());
    }

    private IEnumerable<GpuInstanceSnapshot> TouchedBy(GpuPlan plan, PlanRefusalReason reason) =>
        _state.Instances.Where((instance, i) =>
            (reason == PlanRefusalReason.Kept ? _guard.IsKept(i) : _guard.Protects(_state, i))
            && plan.Steps.Any(step => step.GpuInstance!.Placement == instance.Placement && Touches(step, i)));

    private bool Touches(LayoutStep step, int index)
    {
        if (step.Kind == LayoutStepKind.DestroyGpuInstance)
            return true;
        int inside = Enumerable.Range(0, _state.Compute[index].Length)
            .FirstOrDefault(c => step.ComputeInstance?.Placement == _state.Instances[index].ComputeInstances[c].Placement, -1);
        return step.Kind == LayoutStepKind.DestroyComputeInstance && inside >= 0
            && (_guard.IsKept(index) || _state.ComputeInUse[index][inside]);
    }

    private IEnumerable<BlockedPlacement> BlockedPlacements()
    {
        foreach (int kind in _resolved.Demands[0].Slots.Select(s => s.Kind).Distinct())
        {
            foreach (Placement place in Geometry.Profiles[kind].Placements)
            {
                GpuInstanceSnapshot[] by = [.. _state.Instances.Where((instance, i) =>
                    _guard.Protects(_state, i) && instance.Placement.Overlaps(place)
                        && (_state.Kinds[i] != kind || instance.Placement != place))];
                if (by.Length > 0)
                    yield return new BlockedPlacement(Geometry.Profiles[kind].Profile, place, by);
            }
        }
    }

    private IEnumerable<PlanShortage> Shortages(Demand demand)
    {
        int found = 0;
        foreach (PlanShortage shortage in Limits(demand))
        {
            found++;
            yield return shortage;
        }

        if (found == 0)
            yield return Placements(demand);
    }

    private IEnumerable<PlanShortage> Limits(Demand demand)
    {
        for (int kind = 0; kind < demand.Counts.Length; kind++)
        {
            GpuInstanceProfile profile = Geometry.Profiles[kind].Profile;
            if (demand.Counts[kind] > profile.MaxInstances)
            {
                yield return new PlanShortage(
                    PlanShortageKind.ProfileLimit,
                    profile.Name,
                    demand.Counts[kind],
                    profile.MaxInstances,
                    $"{demand.Counts[kind]} instances of {profile} are wanted; a GPU has {profile.MaxInstances} at most.");
            }
        }

        for (int resource = 0; resource < demand.Used.Length; resource++)
        {
            if (demand.Used[resource] > Geometry.Resources[resource])
            {
                string name = GeometryTables.ResourceNames[resource];
                yield return new PlanShortage(
                    PlanShortageKind.Resource,
                    name,
                    demand.Used[resource],
                    Geometry.Resources[resource],
                    $"{demand.Used[resource]} {name} are wanted; the GPU has {Geometry.Resources[resource]}.");
            }
        }

        // Sizes differ only between profiles: the smallest size of each is what it takes.
        int memory = demand.Slots.Sum(s => s.Count * Geometry.Profiles[s.Kind].Placements.Select(p => p.Size).DefaultIfEmpty().Min());
        if (memory > Geometry.Geometry.MemorySliceCount)
        {
            yield return new PlanShortage(
                PlanShortageKind.MemorySlices,
                "memory slices",
                memory,
                Geometry.Geometry.MemorySliceCount,
                $"{memory} memory slices are wanted; the GPU has {Geometry.Geometry.MemorySliceCount}.");
        }

        foreach (RowSlot slot in demand.Slots)
        {
            if (!slot.Content!.Fits(Geometry, slot.Kind, out string? why))
                yield return new PlanShortage(
                    PlanShortageKind.ComputeInstances, Geometry.Profiles[slot.Kind].Profile.Name, null, null, why!);
        }
    }

    /// <summary>There is enough of everything, but it cannot be arranged: as few instances as show that.</summary>
    private PlanShortage Placements(Demand demand)
    {
        List<RowSlot> conflict = [.. demand.Slots.SelectMany(s => Enumerable.Repeat(s with { Count = 1 }, s.Count))];
        for (int i = conflict.Count - 1; i >= 0; i--)
        {
            RowSlot left = conflict[i];
            conflict.RemoveAt(i);
            if (Planner.IsPossible(new Demand(Geometry, [.. conflict])))
                conflict.Insert(i, left);
        }

        Demand core = new(Geometry, [.. conflict]);
        string wanted = string.Join(',', core.Slots.Select(s => string.Create(
            CultureInfo.InvariantCulture,
            $"{Geometry.Profiles[s.Kind].Profile}{(s.Start >= 0 ? $":{Start(s)}" : "")}{(s.Count > 1 ? $"*{s.Count}" : "")}")));
        string places = string.Join("; ", core.Slots.Select(s => s.Kind).Distinct()
            .Select(kind => $"{Geometry.Profiles[kind].Profile} can stand at {string.Join(", ", Geometry.Profiles[kind].Placements)}"));
        return new PlanShortage(PlanShortageKind.Placements, wanted, null, null, $"{wanted} cannot stand beside each other: {places}.");

        int Start(RowSlot slot) => Geometry.Memory.ToPlacement(new Run((byte)slot.Start, 1)).Start;
    }
}
