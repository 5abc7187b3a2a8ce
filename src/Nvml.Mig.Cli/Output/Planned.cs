using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Output;

/// <summary>A GPU with its plan, or why it has none.</summary>
internal sealed record Planned(string Title, GpuDevice? Gpu, string Name, MigMode? Mode, GpuSnapshot Before, LayoutSpec LayoutSpec, GpuPlan? Plan, PlanRefusal? Refusal)
{
    public string Heading => Gpu is { } gpu ? $"GPU {gpu.Index}  {Name}  {gpu.PciBusId}  MIG {Mode}" : Name;

    public static Planned On(GpuDevice gpu, GpuSnapshot state, LayoutSpec wish, int[] forced)
    {
        try
        {
            Planner.TryPlan(state, wish, out GpuPlan? plan, out PlanRefusal? refusal, new PlanOptions { AllowInUse = forced });
            return new Planned($"GPU {gpu.Index}", gpu, gpu.Name, gpu.GetMigMode(), state, wish, plan, refusal);
        }
        catch (PlanningException e)
        {
            throw new PlanningException(e.Error, e.Culprit, $"GPU {gpu.Index}: {e.Message}");
        }
    }

    public static Planned For(string name, GpuSnapshot empty, LayoutSpec wish)
    {
        Planner.TryPlan(empty, wish, out GpuPlan? plan, out PlanRefusal? refusal);
        return new Planned(name, null, name, null, empty, wish, plan, refusal);
    }

    public PlanEntry ToEntry()
    {
        GpuSnapshot? after = Plan?.GetResult();
        return new PlanEntry(
            Gpu?.Index,
            Gpu?.Uuid,
            Name,
            Mode is { } mode ? MigModeEntry.From(mode) : null,
            LayoutSpec.ToString(),
            Entries(Before),
            after is null ? null : Entries(after),
            Plan is null ? null : [.. Plan.Kept.Select(i => i.Id)],
            Plan is null ? null : [.. Plan.Steps.Select(ToEntry)],
            Plan?.Room,
            after is null ? null : Math.Round(Defragmentation.GetScore(after), 3),
            Refusal is null ? null : ToEntry(Refusal),
            Plan?.IsVerified,
            Refusal is null ? null : ErrorEntry.From(Refusal));
    }

    public static IReadOnlyList<GpuInstanceEntry> Entries(GpuSnapshot state) =>
        [.. state.Instances.Select(i => new GpuInstanceEntry(
            i.Id,
            i.Profile.Name,
            i.Profile.Id,
            PlacementEntry.From(i.Placement),
            [.. i.ComputeInstances.Select(ComputeInstanceEntry.From)]))];

    public static RefusalEntry ToEntry(PlanRefusal refusal) =>
        new(
            refusal.Reason,
            refusal.Message,
            refusal.Shortages,
            [.. refusal.InTheWay.Select(i => new InTheWayEntry(
                i.Id, i.Profile.Name, PlacementEntry.From(i.Placement), [.. i.Users.Select(u => new UserEntry(u.ProcessId, u.Name))]))],
            refusal.Removal is null ? null : [.. refusal.Removal.Select(i => i.Id)],
            [.. refusal.Nearest.Select(w => w.ToString())]);

    private PlanStepEntry ToEntry(LayoutStep step) =>
        new(
            step.Kind,
            step.GpuInstance!.Id,
            step.GpuInstance.Profile.Name,
            step.GpuInstance.Profile.Id,
            PlacementEntry.From(step.GpuInstance.Placement),
            step.ComputeInstance?.Id,
            step.ComputeInstance?.Name,
            step.ComputeInstance?.Profile?.Id,
            PlacementEntry.FromOptional(step.ComputeInstance?.Placement),
            Plan!.GetReason(step),
            step.ComputeInstance?.SliceCount);
}
