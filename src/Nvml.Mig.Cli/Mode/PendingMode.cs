namespace Nvml.Mig.Cli.Mode;

/// <summary>A MIG mode that the driver has accepted and left pending, and what to do about it.</summary>
internal static class PendingMode
{
    /// <summary>"MIG is disabled until the GPU is reset, then enabled. ..."; null if no change is pending.</summary>
    public static string? Describe(GpuDevice gpu, MigMode mode) =>
        mode.IsChangePending ? Describe(mode, NeedsReset(gpu) && IsPassedThrough(gpu)) : null;

    public static string Describe(MigMode mode, bool needsReboot) =>
        $"MIG is {OnOff(mode.Current)} until the GPU is reset, then {OnOff(mode.Pending)}. {Advise(needsReboot)}";

    /// <summary>How a pending mode takes effect (the MIG user guide, and the output of nvidia-smi).</summary>
    public static string Advise(bool needsReboot) => needsReboot
        ? "Reboot this virtual machine: that resets a GPU that is passed through to it."
        : "Stop the processes that use it and set the mode again, or reset it with nvidia-smi --gpu-reset, or reboot.";

    public static bool IsPassedThrough(GpuDevice gpu) =>
        Try(() => gpu.GetVirtualizationMode() == GpuVirtualizationMode.Passthrough);

    private static bool NeedsReset(GpuDevice gpu) => Try(() =>
        !(gpu.GetMigFeatures().ChangesModeWithoutReset ?? gpu.Architecture != GpuArchitecture.Ampere));

    /// <summary>A reading that fails only selects the more general advice.</summary>
    private static bool Try(Func<bool> read)
    {
        try
        {
            return read();
        }
        catch (NvmlException)
        {
            return false;
        }
    }

    private static string OnOff(bool enabled) => enabled ? "enabled" : "disabled";
}
