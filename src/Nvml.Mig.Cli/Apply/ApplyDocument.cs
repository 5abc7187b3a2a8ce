using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Cli.Plan;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Apply;

/// <summary>The document of <c>apply --json</c> and <c>rollback --json</c>.</summary>
internal sealed record ApplyDocument(IReadOnlyList<ApplyEntry> Gpus, ServiceReport? Services, ErrorEntry? Error);

/// <summary>
/// The result of an apply on a GPU; the UUID is null if the GPU does not answer. <c>after</c> was read after the last change; it is null if
/// nothing was changed or it could not be read. <c>differences</c> is what remains where the GPU is neither as requested nor as before,
/// <c>leftAlone</c> what others have created.
/// </summary>
internal sealed record ApplyEntry(
    int Index,
    string? Uuid,
    ApplyOutcome Outcome,
    string Message,
    GpuStateEntry? Before,
    GpuStateEntry? After,
    IReadOnlyList<ApplyStepEntry> Steps,
    IReadOnlyList<ApplyStepEntry> RollbackSteps,
    IReadOnlyList<string> Differences,
    IReadOnlyList<string> LeftAlone,
    RefusalEntry? Refusal,
    ErrorEntry? Error,
    ErrorEntry? RollbackError)
{
    public static ApplyEntry From(GpuApplyResult gpu) =>
        new(
            gpu.Gpu.Index,
            Readings.TryRead(() => gpu.Gpu.Uuid),
            gpu.Outcome,
            gpu.Message,
            GpuStateEntry.From(gpu.Before),
            GpuStateEntry.From(gpu.After),
            [.. gpu.Steps.Select(ApplyStepEntry.From)],
            [.. gpu.RollbackSteps.Select(ApplyStepEntry.From)],
            gpu.Differences,
            gpu.LeftAlone,
            gpu.Refusal is null ? null : RefusalEntry.From(gpu.Refusal),
            ErrorOf(gpu),
            ErrorEntry.FromOptional(gpu.RollbackError));

    /// <summary>Why it is not as requested; null if it is.</summary>
    public static ErrorEntry? ErrorOf(GpuApplyResult gpu) => gpu switch
    {
        { Refusal: { } refusal } => ErrorEntry.From(refusal),
        { Outcome: ApplyOutcome.Pending } => new ErrorEntry(ExitCodes.Pending, nameof(ApplyOutcome.Pending), null, gpu.Message),
        { Outcome: ApplyOutcome.NotRestored, Error: not NvmlException } =>
            new ErrorEntry(ExitCodes.NotRestored, nameof(ApplyOutcome.NotRestored), null, gpu.Message),
        _ => ErrorEntry.FromOptional(gpu.Error),
    };
}

/// <summary>The MIG mode and the instances of a GPU.</summary>
internal sealed record GpuStateEntry(MigModeEntry Mig, IReadOnlyList<GpuInstanceEntry> GpuInstances)
{
    public static GpuStateEntry? From(GpuSnapshot? snapshot) =>
        snapshot is null ? null : new(MigModeEntry.From(snapshot.Mode), [.. snapshot.Instances.Select(GpuInstanceEntry.From)]);
}

internal sealed record ApplyStepEntry(LayoutStepKind Action, string Step, ApplyStepOutcome Outcome, int Attempts, ErrorEntry? Error)
{
    public static ApplyStepEntry From(ApplyStepResult result) =>
        new(result.Step.Kind, result.Step.ToString(), result.Outcome, result.Attempts, ErrorEntry.FromOptional(result.Error));
}
