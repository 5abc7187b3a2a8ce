using Nvml.Mig.Cli.Output;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Plan;

/// <summary>A GPU, or the model of one, with its plan or its refusal.</summary>
internal sealed record PlannedGpu(
    string Title, GpuDevice? Gpu, string Name, MigMode? Mode, GpuState Before, LayoutSpec LayoutSpec, GpuPlan? Plan, PlanRefusal? Refusal)
{
    public string Heading => Gpu is { } gpu ? $"GPU {gpu.Index}  {Name}  {gpu.PciBusId}  MIG {Mode}" : Name;

    public static PlannedGpu On(GpuDevice gpu, GpuState state, LayoutSpec layout, int[] forced)
    {
        try
        {
            Planner.TryPlan(state, layout, out GpuPlan? plan, out PlanRefusal? refusal, forced);
            return new PlannedGpu($"GPU {gpu.Index}", gpu, gpu.Name, gpu.GetMigMode(), state, layout, plan, refusal);
        }
        catch (PlanningException e)
        {
            throw new PlanningException(e.Error, e.Culprit, $"GPU {gpu.Index}: {e.Message}");
        }
    }

    public static PlannedGpu For(string name, GpuState empty, LayoutSpec layout)
    {
        Planner.TryPlan(empty, layout, out GpuPlan? plan, out PlanRefusal? refusal);
        return new PlannedGpu(name, null, name, null, empty, layout, plan, refusal);
    }

    public PlanEntry ToEntry()
    {
        GpuState? after = Plan?.GetResult();
        return new PlanEntry(
            Gpu?.Index,
            Gpu?.Uuid,
            Name,
            Mode is { } mode ? MigModeEntry.From(mode) : null,
            LayoutSpec.ToString(),
            Entries(Before),
            after is null ? null : Entries(after, Plan!.Steps),
            Plan is null ? null : [.. Plan.Kept.Select(i => i.Id)],
            Plan is null ? null : [.. Plan.Steps.Select(step => PlanStepEntry.From(step, Plan.GetReason(step)))],
            Plan?.Room,
            after is null ? null : Math.Round(Defragmentation.GetScore(after), 3),
            Refusal is null ? null : RefusalEntry.From(Refusal),
            Plan?.IsVerified,
            Refusal is null ? null : ErrorEntry.From(Refusal));
    }

    /// <summary>
    /// The instances of a state. Compute instances that NVML has not reported yet come from the steps, since the state cannot hold them.
    /// </summary>
    public static IReadOnlyList<GpuInstanceEntry> Entries(GpuState state, IReadOnlyList<PlanStep>? steps = null) =>
        [.. state.Instances.Select(i => new GpuInstanceEntry(
            i.Id,
            i.Profile.Name,
            i.Profile.Id,
            PlacementEntry.From(i.Placement),
            [
                .. i.ComputeInstances.Select(c =>
                    new ComputeInstanceEntry(c.Id, c.Profile.Name, c.Profile.Id, PlacementEntry.From(c.Placement), c.MigUuid)),
                .. (steps ?? [])
                    .Where(s => s is { Action: PlanAction.CreateComputeInstance, ComputeProfile: null } && s.Placement == i.Placement)
                    .Select(s => new ComputeInstanceEntry(null, s.ComputeProfileName!, null, PlacementEntry.FromOptional(s.ComputePlacement), null)),
            ]))];
}
