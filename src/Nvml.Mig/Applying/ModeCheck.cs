namespace Nvml.Mig.Applying;

/// <summary>Knows before a change whether the MIG mode can be switched from here.</summary>
internal static class ModeCheck
{
    /// <summary>
    /// Whether the mode switches only by a reset that this machine cannot do itself, or by a reboot: on a GPU of the Ampere generation that
    /// is passed through to a virtual machine. NVIDIA's MIG user guide, "Enable MIG Mode"; since R545 or so the driver reports it.
    /// </summary>
    public static bool TakesReboot(GpuDevice gpu)
    {
        try
        {
            if (gpu.GetVirtualizationMode() != GpuVirtualizationMode.Passthrough)
                return false;
            return gpu.GetMigFeatures().ChangesModeWithoutReset is { } withoutReset
                ? !withoutReset
                : gpu.Architecture == GpuArchitecture.Ampere;
        }
        catch (NvmlException)
        {
            return false; // Not known: the change itself will tell.
        }
    }
}
