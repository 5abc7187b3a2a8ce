using System.Diagnostics.CodeAnalysis;

namespace Nvml.Mig.Planning;

/// <summary>Measures how badly instances stand, and finds the fewest that must move to make room.</summary>
public static class Defragmentation
{
    /// <summary>
    /// The share of the <see cref="GpuPlan.Room"/> that the GPU could have with the same instances that it does not have as they stand: 0
    /// if moving them gains nothing, 1 if there is no room though there could be.
    /// </summary>
    /// <param name="snapshot">The GPU as it is.</param>
    public static double GetScore(GpuSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        SnapshotTables state = SnapshotTables.Of(snapshot);
        long room = Planner.Search(state, ResolvedSpec.Of(LayoutSpec.For(snapshot), state), Guard.None)!.Room;
        Demand anywhere = new(state.Geometry, [.. state.Kinds.Select(kind => new RowSlot(kind, 1, -1, state.Geometry.Whole(kind)))]);
        long best = Planner.BestRoom(anywhere);
        return best == 0 ? 0 : 1 - ((double)room / best);
    }

    /// <summary>
    /// Finds the fewest instances to move so that an instance of a profile has room: the fewest in use, then the fewest. Nothing is
    /// removed for good.
    /// </summary>
    /// <param name="snapshot">The GPU as it is.</param>
    /// <param name="profile">The profile's name or id.</param>
    /// <param name="opening">The moves, none if there is room already.</param>
    /// <param name="refusal">If no moves make room, why.</param>
    /// <exception cref="PlanningException">The GPU has no such profile.</exception>
    public static bool TryOpen(
        GpuSnapshot snapshot,
        string profile,
        [NotNullWhen(true)] out RoomOpening? opening,
        [NotNullWhen(false)] out PlanRefusal? refusal)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        SnapshotTables state = SnapshotTables.Of(snapshot);
        LayoutSpec spec = new(new InstanceSpec(profile) { Kind = InstanceSpecKind.Add });
        ResolvedSpec resolved = ResolvedSpec.Of(spec, state);
        Guard everything = new(Allowed: uint.MaxValue, Kept: 0);
        GpuPlan? plan = Planner.Search(state, resolved, everything);
        opening = plan is null ? null : new RoomOpening(plan, snapshot.Geometry.GetProfile(profile).Profile);
        refusal = plan is null ? Explainer.Explain(state, spec, resolved, everything) : null;
        return opening is not null;
    }
}

/// <summary>An instance that moves: it is destroyed, and one like it is created elsewhere.</summary>
/// <param name="Instance">The instance as it stands.</param>
/// <param name="To">Where its successor will stand.</param>
public sealed record InstanceMove(GpuInstanceSnapshot Instance, Placement To)
{
    /// <summary><c>GPU instance 7 (1g.5gb at 0:1) to 4:1</c></summary>
    public override string ToString() => $"{Instance} to {To}";
}

/// <summary>How room for an instance is opened by moving others.</summary>
public sealed class RoomOpening
{
    internal RoomOpening(GpuPlan plan, GpuInstanceProfile profile)
    {
        // Of the created instances of the profile, the successors of those that move come first; the last is the one that is wanted.
        Placement = CreatedBy(plan.Steps)
            .Last(i => i.Profile == profile && Inside(plan, i.Placement) is [{ } only] && only.SliceCount == profile.SliceCount).Placement;
        Steps = [.. plan.Steps.Where(s => !s.IsCreate || s.GpuInstance!.Placement != Placement)];
        List<GpuInstanceSnapshot> targets = [.. CreatedBy(Steps)];
        List<InstanceMove> moves = [];
        foreach (GpuInstanceSnapshot instance in plan.Destroyed)
        {
            GpuInstanceSnapshot to = targets.First(
                t => t.Profile == instance.Profile && Inside(plan, t.Placement).Length == instance.ComputeInstances.Count);
            targets.Remove(to);
            moves.Add(new InstanceMove(instance, to.Placement));
        }

        Moves = moves;
        Drain = [.. plan.Destroyed.Where(i => i.IsAnythingInUse)];
    }

    /// <summary>Where the room is once the steps are done.</summary>
    public Placement Placement { get; }

    /// <summary>The instances that move, by start.</summary>
    public IReadOnlyList<InstanceMove> Moves { get; }

    /// <summary>The moving instances that are in use: their users must end before.</summary>
    public IReadOnlyList<GpuInstanceSnapshot> Drain { get; }

    /// <summary>The moves as steps, in an order that works; the room stays free.</summary>
    public IReadOnlyList<LayoutStep> Steps { get; }

    private static IEnumerable<GpuInstanceSnapshot> CreatedBy(IEnumerable<LayoutStep> steps) =>
        steps.Where(s => s.Kind == LayoutStepKind.CreateGpuInstance).Select(s => s.GpuInstance!);

    private static ComputeInstanceSnapshot[] Inside(GpuPlan plan, Placement placement) =>
        [.. plan.Steps.Where(s => s.Kind == LayoutStepKind.CreateComputeInstance && s.GpuInstance!.Placement == placement)
            .Select(s => s.ComputeInstance!)];
}
