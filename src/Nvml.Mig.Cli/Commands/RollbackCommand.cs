using System.CommandLine;
using Nvml.Mig.Applying;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig rollback</c>: what was there before the last apply.</summary>
internal static class RollbackCommand
{
    public static Command Build()
    {
        Command command = new("rollback", "Take the GPUs of the last apply back to what was there before it, UUIDs included: after a crash in the middle, or since it was a mistake.")
        {
            ApplyRunner.DryRun,
            ApplyRunner.ResetGpu,
            ApplyRunner.JournalFolder,
            ApplyRunner.Quiesce,
            ApplyRunner.Services,
            ApplyRunner.BeforeStop,
            ApplyRunner.AfterStart,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => ApplyRunner.Run(
            parsed,
            machine,
            "taken back",
            (options, progress, cancellation) => LayoutApplier.RollbackAsync(
                machine.Session, machine.NamesGpus ? machine.GpusToChange() : null, options, progress, cancellation))));
        return command;
    }
}
