using Nvml.Mig.Host;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>How an apply ended on a GPU.</summary>
public enum ApplyOutcome
{
    /// <summary>It was so already: nothing was changed.</summary>
    Unchanged,

    /// <summary>Everything that was asked for is there, read back and compared.</summary>
    Applied,

    /// <summary>It can be done; only a plan was asked for.</summary>
    Planned,

    /// <summary>It cannot be done, or must not: nothing was changed.</summary>
    Refused,

    /// <summary>Nothing was changed, since another GPU was refused or failed, or the apply was cancelled.</summary>
    NotTried,

    /// <summary>
    /// Nothing was changed but the MIG mode that is pending now: a reset or a reboot switches it, and the same apply after it completes.
    /// Only with <see cref="ApplyOptions.LeaveModePending"/>.
    /// </summary>
    Pending,

    /// <summary>It failed, or another did, or the apply was cancelled; the GPU is as it was, UUIDs included.</summary>
    RolledBack,

    /// <summary>It failed, and the GPU is not as it was: <see cref="GpuApplyResult.Differences"/> says what remains.</summary>
    NotRestored,
}

/// <summary>How a step ended.</summary>
public enum ApplyStepOutcome
{
    /// <summary>Its turn never came.</summary>
    NotTried,

    /// <summary>Done.</summary>
    Done,

    /// <summary>It failed and had no effect.</summary>
    Failed,

    /// <summary>It had an effect, which was undone.</summary>
    Undone,

    /// <summary>It had an effect that should have been undone, and is still there.</summary>
    Left,
}

/// <summary>The result of a step.</summary>
/// <param name="Step">The step.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="Error">
/// The error of the last attempt that failed. A step that is done can have one: it succeeded later, or the call failed after it had taken
/// effect.
/// </param>
public sealed record ApplyStepResult(LayoutStep Step, ApplyStepOutcome Outcome, int Attempts, Exception? Error);

/// <summary>The result of an apply on one GPU.</summary>
public sealed record GpuApplyResult
{
    /// <summary>The GPU.</summary>
    public required GpuDevice Gpu { get; init; }

    /// <summary>How it ended.</summary>
    public required ApplyOutcome Outcome { get; init; }

    /// <summary>The GPU before the first change; null if it could not be read.</summary>
    public GpuSnapshot? Before { get; init; }

    /// <summary>The GPU as it was to be; null if there was no plan.</summary>
    public GpuSnapshot? Goal { get; init; }

    /// <summary>
    /// The GPU as read after the last change, with the UUIDs of the MIG devices; null if nothing was changed, or it could
    /// not be read.
    /// </summary>
    public GpuSnapshot? After { get; init; }

    /// <summary>The plan for the instances; null if there was none, or none was needed.</summary>
    public GpuPlan? Plan { get; init; }

    /// <summary>Why there is no plan, if that is why.</summary>
    public PlanRefusal? Refusal { get; init; }

    /// <summary>The steps in their order, and what came of each.</summary>
    public IReadOnlyList<ApplyStepResult> Steps { get; init; } = [];

    /// <summary>The steps of the rollback, if there was one.</summary>
    public IReadOnlyList<ApplyStepResult> RollbackSteps { get; init; } = [];

    /// <summary>
    /// Why it was refused, failed or was rolled back: a <see cref="NvmlException"/>, a <see cref="PlanningException"/>, an
    /// <see cref="OperationCanceledException"/> or what a callback threw. Null if all went well, and for a <see cref="Refusal"/>.
    /// </summary>
    public Exception? Error { get; init; }

    /// <summary>Why the rollback failed: the error of a call, or instances of other clients that are in the way.</summary>
    public Exception? RollbackError { get; init; }

    /// <summary>
    /// After <see cref="ApplyOutcome.NotRestored"/>, the differences between the GPU and what was recorded, each as a sentence.
    /// </summary>
    public IReadOnlyList<string> Differences { get; init; } = [];

    /// <summary>
    /// The instances that others have created on the GPU since it was recorded, each as a sentence: a rollback, and a change that is
    /// finished after a death, leave it alone.
    /// </summary>
    public IReadOnlyList<string> LeftAlone { get; init; } = [];

    /// <summary>Whether the GPU has the requested layout, or can have it.</summary>
    public bool IsSuccess => Outcome is ApplyOutcome.Unchanged or ApplyOutcome.Applied or ApplyOutcome.Planned;

    /// <summary>All of it in a sentence or two.</summary>
    public string Message
    {
        get
        {
            string why = Refusal?.Message ?? (Error is null ? "" : Error.Message);
            return Outcome switch
            {
                ApplyOutcome.Unchanged => string.Join(" ", ["It is so already.", .. LeftAlone]),
                ApplyOutcome.Applied => string.Join(" ", ["Done.", .. LeftAlone]),
                ApplyOutcome.Planned => string.Join(" ", ["It can be done.", .. LeftAlone]),
                ApplyOutcome.Refused => $"{why} Nothing was changed.",
                ApplyOutcome.Pending =>
                    $"The MIG mode is {After?.Mode ?? Goal?.Mode}: reboot, or reset the GPU from outside, and apply the same again.",
                ApplyOutcome.NotTried => $"{why} Nothing was changed.".TrimStart(),
                ApplyOutcome.RolledBack => $"{why} The GPU is as it was before.".TrimStart(),
                _ => ($"{why} The GPU is not as it was before: {string.Join(" ", Differences)}"
                    + (RollbackError is null ? "" : $" The rollback failed: {RollbackError.Message}")).TrimStart(),
            };
        }
    }
}

/// <summary>The result of an apply.</summary>
/// <param name="Gpus">The result on each GPU, in the order they were given.</param>
public sealed record ApplyResult(IReadOnlyList<GpuApplyResult> Gpus)
{
    /// <summary>Whether all GPUs have the requested layout, or can have it, and all services run again.</summary>
    public bool IsSuccess => Gpus.All(g => g.IsSuccess) && Error is null && Services is not { StillStopped.Count: > 0 };

    /// <summary>
    /// The failure beside the GPUs: the journal could not be closed, or recorded GPUs cannot be reached and stay recorded. If it is more
    /// than one thing, the message has all of them, and the inner exception is an <see cref="AggregateException"/>. The results of the
    /// GPUs are true all the same.
    /// </summary>
    public Exception? Error { get; init; }

    /// <summary>
    /// The report of the services that hold GPUs: those that had to be stopped, and those that were started again, which can be those of
    /// an apply before that died. Null if none had to be touched.
    /// </summary>
    public ServiceReport? Services { get; init; }
}
