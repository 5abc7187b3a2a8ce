using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Nvml.Mig.Planning;

/// <summary>
/// Plans how to divide a GPU: exact, and without a GPU. There is a plan whenever one is possible, and it is the best one: see
/// <see cref="GpuPlan"/>. All members can be called from any thread.
/// </summary>
/// <example>
/// <code>
/// GpuSnapshot snapshot = gpu.ReadSnapshot();
/// if (Planner.TryPlan(snapshot, LayoutSpec.Parse("3g.20gb,1g.5gb*3"), out GpuPlan? plan, out PlanRefusal? refusal))
///     Console.WriteLine(string.Join('\n', plan.Steps));
/// else
///     Console.WriteLine(refusal.Message);
/// </code>
/// </example>
public static class Planner
{
    private static readonly bool[] All = [.. Enumerable.Repeat(true, Row.MaxLength)];

    /// <summary>Plans the way from a state to a spec.</summary>
    /// <param name="snapshot">The GPU as it is.</param>
    /// <param name="spec">The spec.</param>
    /// <param name="plan">The plan, if there is one.</param>
    /// <param name="refusal">Otherwise why not, and what would help.</param>
    /// <param name="options">How instances that are there are treated; by default those in use stay.</param>
    /// <returns>Whether there is a plan.</returns>
    /// <exception cref="PlanningException">
    /// The spec makes no sense on this GPU whatever stands there: an unknown profile or instance, an impossible or contradictory placement.
    /// </exception>
    public static bool TryPlan(
        GpuSnapshot snapshot,
        LayoutSpec spec,
        [NotNullWhen(true)] out GpuPlan? plan,
        [NotNullWhen(false)] out PlanRefusal? refusal,
        PlanOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(spec);
        SnapshotTables state = SnapshotTables.Of(snapshot);
        ResolvedSpec resolved = ResolvedSpec.Of(spec, state);
        Guard guard = Guard.From(options, snapshot);
        plan = Search(state, resolved, guard);
        if (options is { EvictIdle: true })
            plan ??= Removals.PlanEviction(state, spec, guard);
        refusal = plan is null ? Explainer.Explain(state, spec, resolved, guard) : null;
        return plan is not null;
    }

    /// <summary>
    /// Whether there is a plan. For specs that are whole layouts without placements it takes a fraction of a microsecond.
    /// </summary>
    /// <param name="snapshot">The GPU as it is.</param>
    /// <param name="spec">The spec.</param>
    /// <param name="options">As for <see cref="TryPlan"/>.</param>
    /// <exception cref="PlanningException">As for <see cref="TryPlan"/>.</exception>
    public static bool CanPlan(GpuSnapshot snapshot, LayoutSpec spec, PlanOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(spec);
        SnapshotTables state = SnapshotTables.Of(snapshot);
        Guard guard = Guard.From(options, snapshot);
        return IsPossible(state, ResolvedSpec.Of(spec, state), guard)
            || (options is { EvictIdle: true } && Removals.PlanEviction(state, spec, guard) is not null);
    }

    internal static bool IsPossible(SnapshotTables state, ResolvedSpec spec, Guard guard)
    {
        foreach (Demand demand in spec.Demands)
        {
            if (demand.IsWithinLimits && Fits(state, demand, spec.MustGo, guard))
                return true;
        }

        return false;
    }

    /// <summary>Whether a demand fits on a GPU if nothing stands there.</summary>
    internal static bool IsPossible(Demand demand) =>
        demand.IsWithinLimits && Solve(demand.Geometry.Empty, demand, null, Guard.None, build: false, out _) >= 0;

    /// <summary>The most room that can be left if these instances stand where they like; the demand must be possible.</summary>
    internal static long BestRoom(Demand demand) =>
        PlanCost.RoomOf(Solve(demand.Geometry.Empty, demand, null, Guard.None, build: false, out _));

    /// <summary>The best plan for any of the ways to fulfil a spec; null if there is none.</summary>
    /// <param name="state">The GPU as it is.</param>
    /// <param name="spec">The spec.</param>
    /// <param name="guard">The instances that must stay.</param>
    internal static GpuPlan? Search(SnapshotTables state, ResolvedSpec spec, Guard guard)
    {
        Demand? best = null;
        long bestValue = PlanCost.None;
        foreach (Demand demand in spec.Demands)
        {
            if (!demand.IsWithinLimits)
                continue;
            long value = spec.Demands.Length == 1 ? 0 : Solve(state, demand, spec.MustGo, guard, build: false, out _);
            if (value > bestValue)
            {
                best = demand;
                bestValue = value;
            }
        }

        if (best is null)
            return null;
        Solve(state, best, spec.MustGo, guard, build: true, out GpuPlan? plan);
        return plan;
    }

    private static bool Fits(SnapshotTables state, Demand demand, bool[]? mustGo, Guard guard)
    {
        if (!demand.IsPlain || mustGo is not null || state.Geometry.Fits is not { } table)
            return Solve(state, demand, mustGo, guard, build: false, out _) >= 0;

        // Each instance that must stay keeps its place and counts as one of the wanted; the rest must fit beside it.
        Span<int> left = stackalloc int[demand.CountOfShapes.Length];
        demand.CountOfShapes.CopyTo(left);
        uint kept = 0;
        for (int i = 0; i < state.Kinds.Length; i++)
        {
            if (!guard.Protects(state, i))
                continue;
            if (!state.IsWholeOrEmpty[i])
                return Solve(state, demand, mustGo, guard, build: false, out _) >= 0;
            kept |= state.Runs[i].Mask;
            left[state.Geometry.Memory.ShapeOf[state.Kinds[i]]]--;
        }

        if (kept != 0)
        {
            for (int kind = 0; kind < demand.Counts.Length; kind++)
            {
                int there = 0;
                for (int i = 0; i < state.Kinds.Length; i++)
                    there += state.Kinds[i] == kind && guard.Protects(state, i) ? 1 : 0;
                if (there > demand.Counts[kind])
                    return false;
            }
        }

        return table.Fits(kept, left);
    }

    /// <summary>Finds the best layout for a demand, and if asked makes the plan for it. Returns its value.</summary>
    private static long Solve(SnapshotTables state, Demand demand, bool[]? mustGo, Guard guard, bool build, out GpuPlan? plan)
    {
        plan = null;
        Row row = state.Geometry.Memory;
        int count = state.Kinds.Length;
        Span<RowInstance> instances = stackalloc RowInstance[count];
        Span<bool> stays = stackalloc bool[count];
        long[] rented = ArrayPool<long>.Shared.Rent(Math.Max(1, count * demand.Slots.Length));
        Span<long> gains = rented.AsSpan(0, count * demand.Slots.Length);
        for (int i = 0; i < count; i++)
        {
            bool goes = mustGo is not null && mustGo[i];
            stays[i] = guard.Protects(state, i);
            if (goes && stays[i])
                return None(rented);
            instances[i] = new RowInstance(state.Kinds[i], state.Runs[i], stays[i]);
            for (int slot = 0; slot < demand.Slots.Length; slot++)
            {
                gains[(i * demand.Slots.Length) + slot] = demand.Slots[slot].Kind == state.Kinds[i] && !goes
                    ? KeepGain(state, i, demand.Slots[slot].Content!, MustStayInside(state, i, stays[i], guard))
                    : PlanCost.None;
            }
        }

        Span<RowChoice> chosen = stackalloc RowChoice[row.Length];
        long value = RowSolver.Solve(row, demand.Slots, instances, gains, demand.RoomFor, chosen, out int chosenCount);
        ArrayPool<long>.Shared.Return(rented);
        if (value >= 0 && build)
            plan = PlanBuilder.Build(state, demand, stays, guard, chosen[..chosenCount], value);
        return value;

        static long None(long[] rented)
        {
            ArrayPool<long>.Shared.Return(rented);
            return PlanCost.None;
        }
    }

    /// <summary>
    /// The gain of keeping a GPU instance: itself, and those of its compute instances that stay if it is to have this content.
    /// </summary>
    private static long KeepGain(SnapshotTables state, int index, ComputeContent content, ReadOnlySpan<bool> mustStay)
    {
        ReadOnlySpan<RowInstance> there = state.Compute[index];
        long itself = PlanCost.Gain(state.IsInUse[index] ? 1 : 0, 1);
        if (there.Length == 0)
            return itself;
        if (content.IsWhole && state.IsWholeOrEmpty[index])
            return itself + PlanCost.Gain(state.ComputeInUse[index][0] ? 1 : 0, 1);
        if (state.IsAssumed(index))
        {
            int used = state.ComputeInUse[index].Count(inUse => inUse);
            return content.Equals(state.Contents[index]) ? itself + PlanCost.Gain(used, there.Length)
                : mustStay.Contains(true) ? PlanCost.None
                : itself;
        }

        Span<RowChoice> chosen = stackalloc RowChoice[Row.MaxLength];
        long value = SolveInside(state, index, content, mustStay, chosen, out _);
        return value < 0 ? PlanCost.None : itself + PlanCost.Gain(PlanCost.InUse(value), PlanCost.Instances(value));
    }

    /// <summary>Which compute instances of an instance must stay: none, those in use, or all.</summary>
    internal static ReadOnlySpan<bool> MustStayInside(SnapshotTables state, int index, bool stays, Guard guard) =>
        guard.IsKept(index) ? All.AsSpan(0, state.Compute[index].Length)
        : stays ? state.ComputeInUse[index]
        : [];

    /// <summary>Finds the best way to have a content inside a GPU instance that is there.</summary>
    internal static long SolveInside(
        SnapshotTables state, int index, ComputeContent content, ReadOnlySpan<bool> mustStay, Span<RowChoice> chosen, out int count) =>
        SolveInside(
            state.Geometry.Compute[state.Kinds[index]]!, state.Compute[index], state.ComputeInUse[index], content, mustStay, chosen,
            out count);

    /// <summary>Finds the best way to have a content beside and instead of compute instances that are there.</summary>
    internal static long SolveInside(
        ComputeTables compute,
        ReadOnlySpan<RowInstance> there,
        ReadOnlySpan<bool> inUse,
        ComputeContent content,
        ReadOnlySpan<bool> mustStay,
        Span<RowChoice> chosen,
        out int count)
    {
        Span<RowInstance> instances = stackalloc RowInstance[there.Length];
        Span<long> gains = stackalloc long[there.Length * content.Slots.Length];
        for (int i = 0; i < there.Length; i++)
        {
            instances[i] = there[i] with { MustStay = !mustStay.IsEmpty && mustStay[i] };
            gains.Slice(i * content.Slots.Length, content.Slots.Length).Fill(PlanCost.Gain(inUse[i] ? 1 : 0, 1));
        }

        Span<bool> roomFor = stackalloc bool[compute.Profiles.Length];
        for (int kind = 0; kind < roomFor.Length; kind++)
        {
            int wanted = 0;
            foreach (RowSlot slot in content.Slots)
                wanted += slot.Kind == kind ? slot.Count : 0;
            roomFor[kind] = wanted < compute.Profiles[kind].Profile.MaxInstances;
        }

        return RowSolver.Solve(compute.Row, content.Slots, instances, gains, roomFor, chosen, out count);
    }
}
