using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Nvml.Mig.Planning;

/// <summary>
/// A layout as the solver takes it: which instances, in a fixed order, whatever the order in the spec; and what follows from
/// their number alone.
/// </summary>
internal sealed class Demand
{
    /// <summary>Writes down a layout.</summary>
    /// <param name="geometry">The kind of GPU.</param>
    /// <param name="slots">
    /// The instances, in any order; the same kind of instance can be in it more than once. They are sorted and merged where they are.
    /// </param>
    public Demand(GeometryTables geometry, Span<RowSlot> slots)
    {
        Geometry = geometry;
        slots.Sort(RowSlot.Compare);
        int different = 0;
        foreach (RowSlot one in slots)
        {
            if (different > 0 && slots[different - 1].IsLike(one))
                slots[different - 1] = one with { Count = slots[different - 1].Count + one.Count };
            else
                slots[different++] = one;
        }

        Slots = slots[..different].ToArray();
        Counts = new int[geometry.Profiles.Count];
        CountOfShapes = new int[geometry.Memory.Shapes.Length];
        Used = new int[GeometryTables.ResourceCount];
        foreach (RowSlot slot in Slots)
        {
            Counts[slot.Kind] += slot.Count;
            CountOfShapes[geometry.Memory.ShapeOf[slot.Kind]] += slot.Count;
            for (int resource = 0; resource < Used.Length; resource++)
                Used[resource] += slot.Count * geometry.Needs[(slot.Kind * GeometryTables.ResourceCount) + resource];
        }

        RoomFor = new bool[Counts.Length];
        IsWithinLimits = true;
        for (int kind = 0; kind < Counts.Length; kind++)
        {
            IsWithinLimits &= Counts[kind] <= geometry.Profiles[kind].Profile.MaxInstances;
            RoomFor[kind] = geometry.AllowsOneMore(kind, Counts[kind], Used);
        }

        for (int resource = 0; resource < Used.Length; resource++)
            IsWithinLimits &= Used[resource] <= geometry.Resources[resource];
        IsPlain = true;
        int total = 0;
        foreach (RowSlot slot in Slots)
        {
            IsWithinLimits &= slot.Content!.Fits(geometry, slot.Kind, out _);
            IsPlain &= slot.Content.IsWhole && slot.Start < 0;
            total += slot.Count;
        }

        // More than that fits nowhere, and is more than the solver counts.
        IsWithinLimits &= total <= Row.MaxLength;
    }

    public GeometryTables Geometry { get; }

    /// <summary>The instances, each slot with its content.</summary>
    public RowSlot[] Slots { get; }

    /// <summary>Instances of each profile.</summary>
    public int[] Counts { get; }

    public int[] CountOfShapes { get; }

    /// <summary>The amount of each resource that all of it takes.</summary>
    public int[] Used { get; }

    /// <summary>The profiles of which there could be one more.</summary>
    public bool[] RoomFor { get; }

    /// <summary>The demand as text, to compare.</summary>
    public string Key => string.Join(',', Slots.Select(s => s.Key));

    /// <summary>Whether the GPU has enough of everything but places, and each GPU instance enough room for what is inside.</summary>
    public bool IsWithinLimits { get; }

    /// <summary>Whether it is GPU instances anywhere, each with the compute instance that takes the whole.</summary>
    public bool IsPlain { get; }
}

/// <summary>
/// A spec in terms of a geometry. Compute instances that share GPU instances can be distributed in several ways: each is a demand of its
/// own, and the best plan for any of them is the best plan.
/// </summary>
internal sealed class ResolvedSpec
{
    private static readonly ConditionalWeakTable<LayoutSpec, ResolvedSpec> Known = [];

    private ResolvedSpec(LayoutSpec spec, GeometryTables geometry)
    {
        Geometry = geometry;
        List<RowSlot> slots = [];
        foreach (InstanceSpec item in spec.Items.Where(i => i.Shared is null))
            slots.Add(Resolve(item, geometry));
        CheckOverlaps(slots, geometry);
        Demands = spec.Items.Any(i => i.Shared is not null)
            ? [.. ShareOut(spec, geometry).Select(shared => new Demand(geometry, [.. slots, .. shared]))]
            : [new Demand(geometry, CollectionsMarshal.AsSpan(slots))];
    }

    /// <summary>A change, in terms of a state; as if it removed a set of instances too.</summary>
    public ResolvedSpec(LayoutSpec spec, SnapshotTables state, uint alsoRemoved = 0)
    {
        GeometryTables geometry = Geometry = state.Geometry;
        MustGo = new bool[state.Instances.Count];
        for (int i = 0; i < MustGo.Length; i++)
            MustGo[i] = (alsoRemoved >> i & 1) != 0;
        Span<int> toRemove = stackalloc int[geometry.Profiles.Count];
        List<RowSlot> added = new(spec.Items.Count + MustGo.Length);
        foreach (InstanceSpec item in spec.Items)
        {
            if (item.GpuInstanceId is { } id)
                MustGo[state.Snapshot.IndexOf(id)] = true;
            else if (item.Kind == InstanceSpecKind.Remove)
                toRemove[geometry.IndexOf(item.Profile)] += item.Count;
            else
                added.Add(Resolve(item, geometry));
        }

        CheckOverlaps(added, geometry);
        if (toRemove.IndexOfAnyExcept(0) < 0)
        {
            for (int i = 0; i < MustGo.Length; i++)
            {
                if (!MustGo[i])
                    added.Add(new RowSlot(state.Kinds[i], 1, -1, state.Contents[i]));
            }

            Demands = [new Demand(geometry, CollectionsMarshal.AsSpan(added))];
            return;
        }

        for (int kind = 0; kind < toRemove.Length; kind++)
        {
            int present = 0;
            for (int i = 0; i < MustGo.Length; i++)
                present += state.Kinds[i] == kind && !MustGo[i] ? 1 : 0;
            if (alsoRemoved != 0)
            {
                toRemove[kind] = Math.Min(toRemove[kind], present);
            }
            else if (toRemove[kind] > present)
            {
                string name = geometry.Profiles[kind].Profile.Name;
                throw new PlanningException(
                    PlanningError.UnknownInstance, name, $"{toRemove[kind]} instances of {name} are to be removed; there are {present}.");
            }
        }

        // Which of a profile go is free: with different content, each choice leaves another demand.
        RowSlot[] there = [.. state.Kinds
            .Select((kind, i) => (Slot: new RowSlot(kind, 1, -1, state.Contents[i]), Stays: !MustGo[i]))
            .Where(i => i.Stays)
            .GroupBy(i => i.Slot)
            .Select(same => same.Key with { Count = same.Count() })];
        Demands = [.. Remainders(there, toRemove.ToArray(), []).Select(kept => new Demand(geometry, [.. kept, .. added]))];
    }

    public GeometryTables Geometry { get; }

    /// <summary>The ways to fulfil the spec.</summary>
    public Demand[] Demands { get; }

    /// <summary>The instances of the state that must go; null: none.</summary>
    public bool[]? MustGo { get; }

    /// <summary>
    /// A spec in terms of a state. Of a whole layout the last answer is remembered: most callers ask for one kind of GPU.
    /// </summary>
    public static ResolvedSpec Of(LayoutSpec spec, SnapshotTables state)
    {
        if (spec.IsChange)
            return new ResolvedSpec(spec, state);
        if (!Known.TryGetValue(spec, out ResolvedSpec? known) || known.Geometry != state.Geometry)
            Known.AddOrUpdate(spec, known = new ResolvedSpec(spec, state.Geometry));
        return known;
    }

    private static RowSlot Resolve(InstanceSpec item, GeometryTables geometry)
    {
        int kind = geometry.IndexOf(item.Profile);
        int start = -1;
        if (item.Start is { } wanted)
        {
            IReadOnlyList<Placement> places = geometry.Profiles[kind].Placements;
            Placement? place = places.Where(p => p.Start == wanted).Select(p => (Placement?)p).FirstOrDefault();
            start = place is { } found
                ? geometry.Memory.ToRun(found).Start
                : throw new PlanningException(
                    PlanningError.InvalidPlacement,
                    item.ToString(),
                    $"{geometry.Profiles[kind].Profile} cannot start at memory slice {wanted} ('{item}'). It can at "
                        + $"{string.Join(", ", places.Select(p => p.Start))}.");
        }

        return new RowSlot(kind, item.Count, start, ComputeContent.From(item.ComputeInstances, geometry, kind, item.ToString()));
    }

    private static void CheckOverlaps(List<RowSlot> slots, GeometryTables geometry)
    {
        for (int i = 0; i < slots.Count; i++)
        {
            for (int j = 0; j < i; j++)
            {
                if (slots[i].Start < 0 || slots[j].Start < 0)
                    continue;
                Run a = RunOf(slots[i]);
                Run b = RunOf(slots[j]);
                if ((a.Mask & b.Mask) != 0)
                    throw new PlanningException(
                        PlanningError.Overlap,
                        Name(slots[i], a),
                        $"{Name(slots[j], b)} and {Name(slots[i], a)} are wanted in the same place.");
            }
        }

        Run RunOf(RowSlot slot) => geometry.Memory.Shapes[geometry.Memory.ShapeOf[slot.Kind]].First(r => r.Start == slot.Start);
        string Name(RowSlot slot, Run run) => $"{geometry.Profiles[slot.Kind].Profile} at {geometry.Memory.ToPlacement(run)}";
    }

    /// <summary>The ways to share out the compute instances of a spec that share GPU instances.</summary>
    private static List<List<RowSlot>> ShareOut(LayoutSpec spec, GeometryTables geometry)
    {
        List<List<RowSlot>> ways = [[]];
        foreach (IGrouping<int, InstanceSpec> shared in spec.Items.Where(i => i.Shared is not null)
            .GroupBy(i => geometry.IndexOf(i.Profile)).OrderBy(g => g.Key))
        {
            List<List<ComputeContent>> distributions = new Sharing(geometry, shared.Key, shared).Distribute();
            ways = [
                .. ways.SelectMany(
                    way => distributions.Select(d => (List<RowSlot>)[.. way, .. d.Select(c => new RowSlot(shared.Key, 1, -1, c))]))];
        }

        return ways;
    }

    /// <summary>
    /// The slots that can be left when a number of each profile is removed. It does not matter which of those that are alike.
    /// </summary>
    private static IEnumerable<RowSlot[]> Remainders(ReadOnlyMemory<RowSlot> there, int[] toRemove, RowSlot[] kept)
    {
        if (there.IsEmpty)
            return toRemove.All(n => n == 0) ? [kept] : [];
        RowSlot first = there.Span[0];
        return Enumerable.Range(0, Math.Min(first.Count, toRemove[first.Kind]) + 1).SelectMany(removed =>
        {
            int[] left = [.. toRemove];
            left[first.Kind] -= removed;
            return Remainders(there[1..], left, removed == first.Count ? kept : [.. kept, first with { Count = first.Count - removed }]);
        });
    }
}
