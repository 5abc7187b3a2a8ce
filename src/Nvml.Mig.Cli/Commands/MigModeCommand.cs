using System.CommandLine;
using Nvml.Mig.Cli.Doctor;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig enable</c> and <c>nvmig disable</c>: MIG mode.</summary>
internal static class MigModeCommand
{
    public static Command Build(string name, bool enable)
    {
        Command command = new(name, enable
            ? "Enable MIG mode. On Ampere the driver resets the GPU: nothing may have it open."
            : "Disable MIG mode. All instances must be destroyed before.");
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(machine, enable)));
        return command;
    }

    /// <summary>A change that did not take effect, as what a person must know; null if it did.</summary>
    public static NvmlException? Explain(GpuDevice gpu, MigModeChange change, bool enable)
    {
        string verb = enable ? "enabled" : "disabled";
        string gpuName = $"{gpu} ({gpu.PciBusId})";
        return change.Outcome switch
        {
            MigModeOutcome.Pending => new NvmlException(
                change.Reason,
                "nvmlDeviceSetMigMode",
                $"MIG will be {verb} on {gpuName} after a GPU reset or reboot, not before ({change.Reason}). {Diagnosis.PendingAdvice(change.Reason != NvmlReturnCode.InUse && IsPassedThrough(gpu))}"),
            MigModeOutcome.InUse => new NvmlInUseException(
                NvmlReturnCode.InUse,
                "nvmlDeviceSetMigMode",
                $"MIG cannot be {verb} on {gpuName}: In use by another client (NVML_ERROR_IN_USE, 19, from nvmlDeviceSetMigMode). Nothing was changed. {(enable ? "Stop what uses the GPU." : "Destroy its instances (nvmig destroy) and stop what uses the GPU.")}"),
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
            return false; // It only chooses the better of two pieces of advice.
        }
    }

    private static int Run(Machine machine, bool enable)
    {
        string verb = enable ? "enabled" : "disabled";
        IReadOnlyList<GpuDevice> chosen = machine.GpusToChange();
        List<ModeChangeEntry> gpus = [];
        Exception? first = null;
        using Interruption interruption = new();
        foreach (GpuDevice gpu in chosen)
        {
            try
            {
                interruption.ThrowIfRequested($"Interrupted before {gpu}: its MIG mode is as it was. To go on, 'nvmig {(enable ? "enable" : "disable")} -i {gpu.Index}'.");
                // GPUs that are in the mode already are left alone: what a driver makes of the same mode again is not documented.
                bool change = gpu.GetMigMode() != new MigMode(enable, enable);
                MigModeChange outcome = !change ? new MigModeChange(MigModeOutcome.Activated, NvmlReturnCode.Success)
                    : enable ? gpu.EnableMig() : gpu.DisableMig();
                NvmlException? problem = Explain(gpu, outcome, enable);
                if (problem is not null)
                    Failures.Say(problem.Message);
                else if (!machine.Json)
                    Console.Out.WriteLine($"MIG {(change ? verb : $"was {verb} already")} on {gpu} ({gpu.PciBusId}).");

                // A pending change is a warning, as with nvidia-smi: the driver has taken it.
                if (outcome.Outcome == MigModeOutcome.InUse)
                    first ??= problem;
                gpus.Add(new ModeChangeEntry(
                    gpu.Index, outcome.Outcome, outcome.Reason, change && problem is null, ErrorEntry.FromOptional(problem)));
            }
            catch (Exception e) when (e is NvmlException or OperationCanceledException)
            {
                // The GPUs have nothing to do with each other: the next ones get their chance.
                first ??= e;
                Failures.Say(e.Message);
                gpus.Add(new ModeChangeEntry(gpu.Index, null, null, Changed: false, ErrorEntry.From(e)));
            }
        }

        if (machine.Json)
            Documents.Print(new ModeChangeDocument(gpus, ErrorEntry.FromOptional(first)));
        return first is null ? ExitCodes.Success : ExitCodes.For(first);
    }
}
