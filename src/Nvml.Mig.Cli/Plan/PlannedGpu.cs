using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Plan;

/// <summary>A GPU, or the model of one, with what an apply would do to it, or why it would not.</summary>
/// <param name="Title">What messages call it.</param>
/// <param name="Gpu">The GPU; null for a model.</param>
/// <param name="Name">The name of the model; null if the GPU does not answer.</param>
/// <param name="Before">The GPU as it is; null if it cannot be read.</param>
/// <param name="LayoutSpec">What is asked for.</param>
internal sealed record PlannedGpu(string Title, GpuDevice? Gpu, string? Name, GpuSnapshot? Before, LayoutSpec LayoutSpec)
{
    /// <summary>The plan for the instances; null if there is none, or none was searched for.</summary>
    public GpuPlan? Plan { get; init; }

    public PlanRefusal? Refusal { get; init; }

    /// <summary>Why it must not be done, or that the GPU cannot be read.</summary>
    public Exception? Error { get; init; }

    /// <summary>All steps, those that switch the MIG mode too.</summary>
    public IReadOnlyList<LayoutStep> Steps { get; init; } = [];

    /// <summary>The GPU after the steps; null if there is no way.</summary>
    public GpuSnapshot? Goal { get; init; }

    /// <summary>Why there are steps that no plan has a reason for.</summary>
    public string Why { get; init; } = "";

    public MigMode? Mode => Gpu is null ? null : Before?.Mode;

    public string Heading => Gpu is null ? Name!
        : Before is null ? Title
        : $"{Title}  {Name}  {Readings.TryRead(() => Gpu.PciBusId)}  MIG {Mode}";

    /// <summary>Whether the MIG mode does not switch from here: it takes a reboot, or a reset.</summary>
    public bool TakesReboot => Error is NvmlResetRequiredException || Goal?.Mode.IsChangePending == true;

    /// <summary>The findings of a dry run.</summary>
    /// <param name="result">The result on the GPU.</param>
    /// <param name="layout">What is asked for.</param>
    /// <param name="why">Why there are steps that no plan has a reason for.</param>
    public static PlannedGpu From(GpuApplyResult result, LayoutSpec layout, string why) => new(
        $"GPU {result.Gpu.Index}", result.Gpu, Readings.TryRead(() => result.Gpu.Name), result.Before, layout)
    {
        Plan = result.Plan,
        Refusal = result.Refusal,
        // The refusal of another GPU is no error of this one.
        Error = result.Error is OperationCanceledException ? null : result.Error,
        Steps = [.. result.Steps.Select(step => step.Step)],
        Goal = result.Goal,
        Why = why,
    };

    public static PlannedGpu For(string name, GpuSnapshot empty, LayoutSpec layout)
    {
        Planner.TryPlan(empty, layout, out GpuPlan? plan, out PlanRefusal? refusal);
        return new PlannedGpu(name, null, name, empty, layout)
        {
            Plan = plan,
            Refusal = refusal,
            Steps = plan?.Steps ?? [],
            Goal = plan?.GetResult(),
        };
    }

    public string GetReason(LayoutStep step) => step.IsModeChange
        ? (step.Kind == LayoutStepKind.EnableMig ? "instances need it" : "asked for")
            + (TakesReboot ? "; takes a reboot, or a reset from outside" : "")
        : Plan?.GetReason(step) ?? Why;

    public PlanEntry ToEntry() => new(
        Gpu?.Index,
        Gpu is null ? null : Readings.TryRead(() => Gpu.Uuid),
        Name,
        Mode is { } mode ? MigModeEntry.From(mode) : null,
        LayoutSpec.ToString(),
        Before is null ? null : Entries(Before),
        Goal is null ? null : Entries(Goal),
        Goal is null || Before is null ? null : [.. Before.Instances.Select(i => i.Id).Except(DestroyedIds)],
        Goal is null ? null : [.. Steps.Select(step => PlanStepEntry.From(step, GetReason(step)))],
        Plan?.Room,
        Plan is null || Goal is null ? null : Math.Round(Defragmentation.GetScore(Goal), 3),
        Refusal is null ? null : RefusalEntry.From(Refusal),
        Goal is null ? null : Plan?.IsVerified ?? true,
        Refusal is not null ? ErrorEntry.From(Refusal) : ErrorEntry.FromOptional(Error),
        Goal is null || Gpu is null ? null : MigModeEntry.From(Goal.Mode));

    /// <summary>The GPU instances that are destroyed.</summary>
    public IEnumerable<int?> DestroyedIds =>
        Steps.Where(step => step.Kind == LayoutStepKind.DestroyGpuInstance).Select(step => step.GpuInstance!.Id);

    public static IReadOnlyList<GpuInstanceEntry> Entries(GpuSnapshot snapshot) => [.. snapshot.Instances.Select(GpuInstanceEntry.From)];
}
