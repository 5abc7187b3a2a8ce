using System.CommandLine;
using Nvml.Mig.Applying;
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

    private static int Run(Machine machine, bool enable)
    {
        using ChangeLock? taken = machine.TakeChangeLock();
        IReadOnlyList<PromisedInstance> promised = taken is null ? [] : PromisedInstance.ReadAll(machine.JournalFolder);
        IReadOnlyList<Reading<ModeTarget>> targets = machine.Prepare((gpu, mode) => new ModeTarget(gpu, mode));
        List<ModeEntry> gpus = [];
        Exception? first = null;
        using Interruption interruption = new();
        foreach (Reading<ModeTarget> target in targets)
        {
            try
            {
                if (target.Value is not { } work)
                    throw target.Error!;
                interruption.ThrowIfRequested($"Interrupted before {work.Gpu}: its MIG mode is as it was. To continue, run 'nvmig "
                    + $"{(enable ? "enable" : "disable")} -i {work.Gpu.Index}'.");
                if (work.Mode != new MigMode(enable, enable) && PromisedInstance.RefuseWhole(promised, work.Gpu) is { } leased)
                    throw leased;
                gpus.Add(Switch(work, enable, machine.Json, out NvmlException? failure));
                first ??= failure;
            }
            catch (Exception e) when (e is NvmlException or OperationCanceledException)
            {
                // GPUs are independent of each other: go on with the next.
                first ??= e;
                Terminal.WriteError(e.Message);
                gpus.Add(new ModeEntry(target.Gpu.Index, null, null, Changed: false, Uncertain: false, ErrorEntry.From(e)));
            }
        }

        if (machine.Json)
            Documents.Print(new ModeDocument(gpus, ErrorEntry.FromOptional(first)));
        return first is null ? ExitCodes.Success : ExitCodes.For(first);
    }

    private static ModeEntry Switch(ModeTarget target, bool enable, bool json, out NvmlException? failure)
    {
        // A GPU in that mode is left alone: NVIDIA does not document what a driver does when asked for the same mode again.
        bool change = target.Mode != new MigMode(enable, enable);
        ModeSwitch done = change
            ? ModeSwitch.Run(target.Gpu, enable)
            : new ModeSwitch(MigModeOutcome.Activated, NvmlReturnCode.Success, null);
        // A pending change is a warning, as in nvidia-smi: the driver has accepted it.
        failure = done.HasFailed ? done.Problem : null;
        if (done.Note is not null)
            Terminal.WriteError(done.Note);
        if (done.Problem is not null)
            Terminal.WriteError(done.Problem.Message);
        else if (!json)
            Terminal.WriteLine($"{Describe(target, enable)}.");
        return new ModeEntry(
            target.Gpu.Index,
            done.Outcome,
            done.Reason,
            change && done.Problem is null,
            done.IsUncertain,
            ErrorEntry.FromOptional(done.Problem));
    }

    private static string Describe(ModeTarget target, bool enable)
    {
        string verb = enable ? "enabled" : "disabled";
        string on = ModeSwitch.Name(target.Gpu);
        return target.Mode.Current != enable ? $"MIG {verb} on {on}"
            : target.Mode.Pending == enable ? $"MIG was {verb} already on {on}"
            : $"MIG stays {verb} on {on}: no change is pending any more";
    }

    private sealed record ModeTarget(GpuDevice Gpu, MigMode Mode);
}
