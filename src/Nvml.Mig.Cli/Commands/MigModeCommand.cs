using System.CommandLine;
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

    /// <summary>What to tell a person of a change that did not take effect; null if it did.</summary>
    public static string? Explain(GpuDevice gpu, MigModeChange change, bool enable)
    {
        string verb = enable ? "enabled" : "disabled";
        return change.Outcome switch
        {
            MigModeOutcome.Pending =>
                $"MIG will be {verb} on {gpu} ({gpu.PciBusId}) after a GPU reset or reboot, not before ({change.Reason}): stop what uses the GPU and run nvidia-smi --gpu-reset.",
            MigModeOutcome.InUse =>
                $"MIG cannot be {verb} on {gpu} ({gpu.PciBusId}): In use by another client (NVML_ERROR_IN_USE, 19, from nvmlDeviceSetMigMode). Nothing was changed. {(enable ? "Stop what uses the GPU." : "Destroy its instances (nvmig destroy) and stop what uses the GPU.")}",
            _ => null,
        };
    }

    private static int Run(Machine machine, bool enable)
    {
        List<ModeChangeEntry> changed = [];
        NvmlException? failure = null;
        int exitCode = ExitCodes.Success;
        try
        {
            foreach (GpuDevice gpu in machine.MigCapableGpus())
            {
                MigModeChange change = enable ? gpu.EnableMig() : gpu.DisableMig();
                changed.Add(new ModeChangeEntry(gpu.Index, gpu.Uuid, gpu.PciBusId, change.Outcome, change.Reason));
                if (Explain(gpu, change, enable) is { } explanation)
                    Machine.Report(explanation);
                else if (!machine.Json)
                    Console.Out.WriteLine($"MIG {(enable ? "enabled" : "disabled")} on {gpu} ({gpu.PciBusId}).");
                // A pending change is a warning, as with nvidia-smi: the driver has taken it.
                if (change.Outcome == MigModeOutcome.InUse && exitCode == ExitCodes.Success)
                    exitCode = ExitCodes.For(NvmlReturnCode.InUse);
            }
        }
        catch (NvmlException e)
        {
            failure = e;
            Machine.Report(e.Message);
            exitCode = ExitCodes.For(e.Code);
        }

        if (machine.Json)
            Documents.Print(new ModeChangeDocument(changed, failure is null ? null : ErrorEntry.From(failure)));
        return exitCode;
    }
}
