using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Apply;

namespace Nvml.Mig.Cli.Rollback;

/// <summary><c>nvmig rollback</c>: restores what was there before the last apply.</summary>
internal static class RollbackCommand
{
    public static Command Build()
    {
        Command command = new(
            "rollback",
            "Restore the GPUs of the last apply to what they were before it, UUIDs included: after a crash in its middle, or to undo it.")
        {
            ApplyArguments.DryRun,
            ApplyArguments.ResetGpu,
            ApplyArguments.Wait,
            ApplyArguments.JournalFolder,
            ApplyArguments.Quiesce,
            ApplyArguments.Services,
            ApplyArguments.BeforeStop,
            ApplyArguments.AfterStart,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => ApplyRun.Run(
            parsed,
            machine,
            ApplyRun.RolledBack,
            (options, progress, cancellation) => LayoutApplier.RollbackAsync(
                machine.Session, machine.NamesGpus ? machine.Gpus() : null, options, progress, cancellation))));
        return command;
    }
}
