namespace Nvml.Mig;

/// <summary>How a change of MIG mode ended.</summary>
public enum MigModeOutcome
{
    /// <summary>The GPU is in the mode asked for.</summary>
    Activated,

    /// <summary>The driver noted the change, but it takes a GPU reset or reboot: see <see cref="MigModeChange.Reason"/>.</summary>
    Pending,

    /// <summary>The driver refused: something uses the GPU, such as its own instances. Nothing changed.</summary>
    InUse,
}

/// <summary>
/// The result of <see cref="GpuDevice.EnableMig"/> and <see cref="GpuDevice.DisableMig"/>. NVML has two codes for it, one for the
/// request and one for its activation, which callers like to mix up; here they are one answer.
/// </summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Reason">
/// Why it is not active: <see cref="NvmlReturnCode.InUse"/> when clients hold the GPU,
/// <see cref="NvmlReturnCode.NotSupported"/> or <see cref="NvmlReturnCode.ResetRequired"/> when the GPU cannot be reset from
/// here, as in a virtual machine. <see cref="NvmlReturnCode.Success"/> if it is active.
/// </param>
public readonly record struct MigModeChange(MigModeOutcome Outcome, NvmlReturnCode Reason)
{
    /// <summary><c>Activated</c>, or e.g. <c>Pending (InUse)</c>.</summary>
    public override string ToString() => Reason == NvmlReturnCode.Success ? Outcome.ToString() : $"{Outcome} ({Reason})";
}
