using System.CommandLine;
using Nvml.Mig.Cli.Doctor;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Mode;

/// <summary><c>nvmig enable</c> and <c>nvmig disable</c>: switch MIG mode.</summary>
internal static class ModeCommand
{
    public static Command Build(string name, bool enable)
    {
        Command command = new(name, enable
            ? "Enable MIG mode. On Ampere the driver resets the GPU: no process may have it open."
            : "Disable MIG mode. All instances must be destroyed first.");
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(machine, enable)));
        return command;
    }

    /// <summary>The error of a change that did not take effect; null if it did.</summary>
    public static NvmlException? Explain(GpuDevice gpu, MigModeChange change, bool enable)
    {
        string verb = enable ? "enabled" : "disabled";
        string gpuName = $"{gpu} ({gpu.PciBusId})";
        return change.Outcome switch
        {
            MigModeOutcome.Pending => new NvmlException(
                change.Reason,
                "nvmlDeviceSetMigMode",
                $"MIG will be {verb} on {gpuName} after a GPU reset or reboot, not before ({change.Reason}). "
                + Diagnosis.PendingAdvice(change.Reason != NvmlReturnCode.InUse && IsPassedThrough(gpu))),
            MigModeOutcome.InUse => new NvmlInUseException(
                NvmlReturnCode.InUse,
                "nvmlDeviceSetMigMode",
                $"MIG cannot be {verb} on {gpuName}: In use by another client (NVML_ERROR_IN_USE, 19, from nvmlDeviceSetMigMode). "
                    + "Nothing was changed. "
                + (enable
                    ? "Stop the processes that use the GPU."
                    : "Destroy its instances (nvmig destroy) and stop the processes that use the GPU.")),
            _ => null,
        };
    }

    private static bool IsPassedThrough(GpuDevice gpu)
    {
        try
        {
            return gpu.GetVirtualizationMode() == GpuVirtualizationMode.Passthrough;
        }
        catch (NvmlException)
        {
            return false; // It only selects the better advice.
        }
    }

    private static int Run(Machine machine, bool enable)
    {
        string verb = enable ? "enabled" : "disabled";
        IReadOnlyList<GpuDevice> chosen = machine.GpusToChange();
        List<ModeEntry> gpus = [];
        Exception? first = null;
        using Interruption interruption = new();
        foreach (GpuDevice gpu in chosen)
        {
            try
            {
                interruption.ThrowIfRequested($"Interrupted before {gpu}: its MIG mode is as it was. To continue, run 'nvmig "
                    + $"{(enable ? "enable" : "disable")} -i {gpu.Index}'.");
                // A GPU in that mode is left alone: NVIDIA does not document what a driver does when asked for the same mode again.
                bool change = gpu.GetMigMode() != new MigMode(enable, enable);
                MigModeChange outcome = !change ? new MigModeChange(MigModeOutcome.Activated, NvmlReturnCode.Success)
                    : enable ? gpu.EnableMig() : gpu.DisableMig();
                NvmlException? problem = Explain(gpu, outcome, enable);
                if (problem is not null)
                    Terminal.WriteError(problem.Message);
                else if (!machine.Json)
                    Terminal.WriteLine($"MIG {(change ? verb : $"was {verb} already")} on {gpu} ({gpu.PciBusId}).");

                // A pending change is a warning, as in nvidia-smi: the driver has accepted it.
                if (outcome.Outcome == MigModeOutcome.InUse)
                    first ??= problem;
                gpus.Add(new ModeEntry(
                    gpu.Index, outcome.Outcome, outcome.Reason, change && problem is null, ErrorEntry.FromOptional(problem)));
            }
            catch (Exception e) when (e is NvmlException or OperationCanceledException)
            {
                // GPUs are independent of each other: go on with the next.
                first ??= e;
                Terminal.WriteError(e.Message);
                gpus.Add(new ModeEntry(gpu.Index, null, null, Changed: false, ErrorEntry.From(e)));
            }
        }

        if (machine.Json)
            Documents.Print(new ModeDocument(gpus, ErrorEntry.FromOptional(first)));
        return first is null ? ExitCodes.Success : ExitCodes.For(first);
    }
}
