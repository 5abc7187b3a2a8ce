using System.Text.Json.Serialization;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Plan;

/// <summary>
/// The document of <c>plan --json</c>: for each GPU the plan or the refusal; with <c>--anywhere</c> only GPUs that change have an entry.
/// </summary>
internal sealed record PlanDocument(IReadOnlyList<PlanEntry> Gpus, ErrorEntry? Error);

/// <summary>
/// A plan for a GPU: null index and UUID for a model without a GPU. Without a plan, <c>after</c> and <c>steps</c> are null and
/// <c>refusal</c> or <c>error</c> is not. <c>room</c> and <c>fragmentation</c> are those afterwards. <c>verified</c> is false if NVML has
/// not reported yet whether the compute instances are possible.
/// </summary>
internal sealed record PlanEntry(
    int? Index,
    string? Uuid,
    string? Name,
    MigModeEntry? Mig,
    [property: JsonPropertyName("wish")] string LayoutSpec,
    IReadOnlyList<GpuInstanceEntry>? Before,
    IReadOnlyList<GpuInstanceEntry>? After,
    IReadOnlyList<int?>? Kept,
    IReadOnlyList<PlanStepEntry>? Steps,
    long? Room,
    double? Fragmentation,
    RefusalEntry? Refusal,
    bool? Verified,
    ErrorEntry? Error,
    MigModeEntry? MigAfter);

/// <summary>
/// A step of a plan. The GPU instance is the one at that placement; the id is null if the plan creates it. A step that switches the MIG
/// mode is about no instance.
/// </summary>
internal sealed record PlanStepEntry(
    LayoutStepKind Action,
    int? GpuInstanceId,
    string? Profile,
    int? ProfileId,
    PlacementEntry? Placement,
    int? ComputeInstanceId,
    string? ComputeProfile,
    int? ComputeProfileId,
    PlacementEntry? ComputePlacement,
    string Reason,
    int? ComputeSlices)
{
    public static PlanStepEntry From(LayoutStep step, string reason) =>
        new(
            step.Kind,
            step.GpuInstance?.Id,
            step.GpuInstance?.Profile.Name,
            step.GpuInstance?.Profile.Id,
            PlacementEntry.FromOptional(step.GpuInstance?.Placement),
            step.ComputeInstance?.Id,
            step.ComputeInstance?.Name,
            step.ComputeInstance?.Profile?.Id,
            PlacementEntry.FromOptional(step.ComputeInstance?.Placement),
            reason,
            step.ComputeInstance?.SliceCount);
}

/// <summary>Why there is no plan; <c>removal</c> names the GPU instances without which there would be one.</summary>
internal sealed record RefusalEntry(
    PlanRefusalReason Reason,
    string Message,
    IReadOnlyList<PlanShortage> Shortages,
    IReadOnlyList<InTheWayEntry> InTheWay,
    IReadOnlyList<int?>? Removal,
    IReadOnlyList<string> Nearest)
{
    public static RefusalEntry From(PlanRefusal refusal) =>
        new(
            refusal.Reason,
            refusal.Message,
            refusal.Shortages,
            [.. refusal.InTheWay.Select(i => new InTheWayEntry(
                i.Id, i.Profile.Name, PlacementEntry.From(i.Placement), [.. i.Users.Select(u => new UserEntry(u.ProcessId, u.Name))]))],
            refusal.Removal is null ? null : [.. refusal.Removal.Select(i => i.Id)],
            [.. refusal.Nearest.Select(layout => layout.ToString())]);
}

internal sealed record InTheWayEntry(int? GpuInstanceId, string Profile, PlacementEntry Placement, IReadOnlyList<UserEntry> Users);

internal sealed record UserEntry(int ProcessId, string? Name);
