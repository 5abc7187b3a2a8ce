using Nvml.Mig.Applying;

namespace Nvml.Mig.Kubernetes.Gpus;

/// <summary>The targets of all GPUs of the machine.</summary>
/// <param name="Targets">The GPUs to divide.</param>
/// <param name="Unfit">The GPUs of which it cannot be.</param>
/// <param name="Notes">What else there is to say: GPUs that are not meant.</param>
internal sealed record MachineTargets(
    IReadOnlyList<GpuTarget> Targets, IReadOnlyList<GpuVerdict> Unfit, IReadOnlyList<string> Notes);
