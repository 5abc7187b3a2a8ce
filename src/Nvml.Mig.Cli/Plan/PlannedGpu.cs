using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Plan;

/// <summary>A GPU, or the model of one, with its plan or its refusal.</summary>
internal sealed record PlannedGpu(
    string Title, GpuDevice? Gpu, string Name, MigMode? Mode, GpuSnapshot Before, LayoutSpec LayoutSpec, GpuPlan? Plan,
    PlanRefusal? Refusal)
{
    public string Heading => Gpu is { } gpu ? $"GPU {gpu.Index}  {Name}  {gpu.PciBusId}  MIG {Mode}" : Name;

    /// <summary>Whether MIG mode is to be disabled once the GPU is empty.</summary>
    public bool DisablesMig { get; init; }

    /// <summary>A plan for a target. One without MIG is planned as an empty GPU.</summary>
    public static PlannedGpu On(GpuTarget target, GpuSnapshot state, int[] forced) =>
        On(target.Gpu, state, target.Layout ?? new LayoutSpec(), forced) with { DisablesMig = target.Layout is null && state.Mode.Current };

    public static PlannedGpu On(GpuDevice gpu, GpuSnapshot state, LayoutSpec layout, int[] forced)
    {
        try
        {
            Planner.TryPlan(state, layout, out GpuPlan? plan, out PlanRefusal? refusal, new PlanOptions { AllowInUse = forced });
            return new PlannedGpu($"GPU {gpu.Index}", gpu, gpu.Name, gpu.GetMigMode(), state, layout, plan, refusal);
        }
        catch (PlanningException e)
        {
            throw new PlanningException(e.Error, e.Culprit, $"GPU {gpu.Index}: {e.Message}");
        }
    }

    public static PlannedGpu For(string name, GpuSnapshot empty, LayoutSpec layout)
    {
        Planner.TryPlan(empty, layout, out GpuPlan? plan, out PlanRefusal? refusal);
        return new PlannedGpu(name, null, name, null, empty, layout, plan, refusal);
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
            Plan is null ? null : [.. Plan.Steps.Select(step => PlanStepEntry.From(step, Plan.GetReason(step)))],
            Plan?.Room,
            after is null ? null : Math.Round(Defragmentation.GetScore(after), 3),
            Refusal is null ? null : RefusalEntry.From(Refusal),
            Plan?.IsVerified,
            Refusal is null ? null : ErrorEntry.From(Refusal));
    }

    public static IReadOnlyList<GpuInstanceEntry> Entries(GpuSnapshot snapshot) => [.. snapshot.Instances.Select(GpuInstanceEntry.From)];
}
