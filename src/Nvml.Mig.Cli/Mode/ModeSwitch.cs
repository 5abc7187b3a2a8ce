namespace Nvml.Mig.Cli.Mode;

/// <summary>A change of MIG mode, and what became of it: what the GPU reports counts, not what the call returned.</summary>
/// <param name="Outcome">How it ended; null if it failed.</param>
/// <param name="Reason">Why it is not active; null if it failed.</param>
/// <param name="Problem">Why the GPU is not in the mode.</param>
/// <param name="Note">A call that failed and took effect all the same.</param>
/// <param name="IsUncertain">Whether the mode cannot be read, so that nobody knows whether it changed.</param>
internal sealed record ModeSwitch(
    MigModeOutcome? Outcome, NvmlReturnCode? Reason, NvmlException? Problem, string? Note = null, bool IsUncertain = false)
{
    /// <summary>Whether the driver has neither switched the mode nor noted the change. A pending change is a warning.</summary>
    public bool HasFailed => Problem is not null && Outcome != MigModeOutcome.Pending;

    public static ModeSwitch Run(GpuDevice gpu, bool enable)
    {
        try
        {
            MigModeChange change = enable ? gpu.EnableMig() : gpu.DisableMig();
            if (change.Outcome == MigModeOutcome.Activated)
                return new ModeSwitch(change.Outcome, change.Reason, null);
            if (change.Outcome == MigModeOutcome.Pending)
                return ToPending(gpu, change.Reason, enable);
            ModeSwitch refused = ReadBack(gpu, Refused(gpu, enable, ""), enable);
            return refused.IsUncertain || !refused.HasFailed
                ? refused
                : new ModeSwitch(change.Outcome, change.Reason, Refused(gpu, enable, "Nothing was changed. "));
        }
        catch (NvmlException e)
        {
            return ReadBack(gpu, e, enable);
        }
    }

    /// <summary>The GPU with its bus id, unless that cannot be read: a name must not make a change fail.</summary>
    public static string Name(GpuDevice gpu)
    {
        try
        {
            return $"{gpu} ({gpu.PciBusId})";
        }
        catch (NvmlException)
        {
            return gpu.ToString();
        }
    }

    private static ModeSwitch ToPending(GpuDevice gpu, NvmlReturnCode reason, bool enable, string? note = null) => new(
        MigModeOutcome.Pending,
        reason,
        new NvmlException(
            reason,
            "nvmlDeviceSetMigMode",
            $"MIG will be {(enable ? "enabled" : "disabled")} on {Name(gpu)} after a GPU reset or reboot, not before ({reason}). "
                + PendingMode.Advise(reason != NvmlReturnCode.InUse && PendingMode.IsPassedThrough(gpu))),
        note);

    private static NvmlInUseException Refused(GpuDevice gpu, bool enable, string known) => new(
        NvmlReturnCode.InUse,
        "nvmlDeviceSetMigMode",
        $"MIG cannot be {(enable ? "enabled" : "disabled")} on {Name(gpu)}: In use by another client (NVML_ERROR_IN_USE, 19, from "
            + $"nvmlDeviceSetMigMode). {known}"
            + (enable
                ? "Stop the processes that use the GPU."
                : "Destroy its instances (nvmig destroy) and stop the processes that use the GPU."));

    /// <summary>After a failure: a call that failed can have done its work.</summary>
    private static ModeSwitch ReadBack(GpuDevice gpu, NvmlException failure, bool enable)
    {
        MigMode? now;
        try
        {
            now = gpu.TryGetMigMode();
        }
        catch (NvmlException)
        {
            NvmlException unknown = new(
                failure.Code,
                failure.Function,
                $"{failure.Message} It is not known whether the mode changed: it cannot be read. 'nvmig devices' shows it once it can.",
                failure);
            return new ModeSwitch(null, null, unknown, IsUncertain: true);
        }

        if (now?.Current == enable)
            return new ModeSwitch(MigModeOutcome.Activated, NvmlReturnCode.Success, null, failure.Message);
        return now?.Pending == enable
            ? ToPending(gpu, NvmlReturnCode.ResetRequired, enable, failure.Message)
            : new ModeSwitch(null, null, failure);
    }
}
