using Nvml.Mig.Applying;
using Nvml.Mig.Kubernetes.Nodes;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Kubernetes.Gpus;

/// <summary>How a GPU stands to what is wanted of it.</summary>
/// <param name="Gpu">Its index.</param>
/// <param name="State">The state that it gives the node: <see cref="NodeProtocol.Pending"/> if it only has to be waited for.</param>
/// <param name="Reason">Why it is not as wanted; empty if it is, or if nothing is in the way.</param>
internal sealed record GpuVerdict(int Gpu, string State, string Reason)
{
    /// <summary>The way to what is wanted; null if there is nothing to do, or nothing that can be done.</summary>
    public GpuTarget? Way { get; init; }

    /// <summary>Whether the way switches the MIG mode.</summary>
    public bool SwitchesMode { get; init; }

    /// <summary>Whether a client is in the way that NVML does not show, as DCGM is.</summary>
    public bool IsHeldInvisibly { get; init; }

    /// <summary>Whether instances have changed, so that others must be told.</summary>
    public bool HasChanged { get; init; }

    /// <summary>Judges a look at a GPU, or a change of it.</summary>
    public static GpuVerdict Of(GpuApplyResult result, GpuTarget target)
    {
        int gpu = result.Gpu.Index;
        return result.Outcome switch
        {
            ApplyOutcome.Unchanged => new GpuVerdict(gpu, NodeProtocol.Success, ""),
            ApplyOutcome.Applied => new GpuVerdict(gpu, NodeProtocol.Success, "") { HasChanged = true },
            ApplyOutcome.Planned or ApplyOutcome.NotTried => new GpuVerdict(gpu, NodeProtocol.Pending, "")
            {
                Way = target,
                SwitchesMode = result.Steps.Any(s => s.Step.IsModeChange),
            },
            _ => new GpuVerdict(gpu, IsToBeWaitedFor(result) ? NodeProtocol.Pending : NodeProtocol.Failed, result.Message)
            {
                HasChanged = result.Outcome == ApplyOutcome.NotRestored,
                IsHeldInvisibly = result.Error is NvmlInUseException { IsTransient: true },
            },
        };
    }

    /// <summary>Whether it passes by itself: a use ends, a lease ends, the machine is booted.</summary>
    private static bool IsToBeWaitedFor(GpuApplyResult result) =>
        result.Outcome == ApplyOutcome.Pending || (result.Refusal, result.Error) switch
        {
            ({ } refusal, _) => refusal.Reason is PlanRefusalReason.InUse or PlanRefusalReason.Kept,
            (_, NvmlInUseException or NvmlResetRequiredException or OperationCanceledException) => true,
            (_, PlanningException planning) => planning.Error == PlanningError.KeptInstance,
            (_, NvmlException nvml) => nvml.IsTransient,
            _ => false,
        };
}
