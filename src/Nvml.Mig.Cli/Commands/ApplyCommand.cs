using System.CommandLine;
using Nvml.Mig.Applying;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig apply</c>: a layout, whole or not at all.</summary>
internal static class ApplyCommand
{
    private static readonly Option<int[]> ForceInUse = new("--force-in-use")
    {
        Description = "GPU instances, by id, that may be destroyed although they are in use, once their processes end; on the one GPU that -i names.",
        HelpName = "ID",
        AllowMultipleArgumentsPerToken = true,
    };

    public static Command Build()
    {
        Command command = new("apply", "Divide GPUs as a layout says, keeping what can stay. What fails is taken back.")
        {
            ApplyRunner.DryRun,
            ApplyRunner.ResetGpu,
            ApplyRunner.AllOrNothing,
            ForceInUse,
            ApplyRunner.JournalFolder,
            ApplyRunner.Quiesce,
            ApplyRunner.Services,
            ApplyRunner.BeforeStop,
            ApplyRunner.AfterStart,
        };
        Argument<string[]> wishes = LayoutSource.AddTo(
            command, "The layout that each GPU is to have, or a change to it, as for 'plan'. MIG mode is enabled where it is not.");
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine, wishes)));
        return command;
    }

    private static int Run(ParseResult parsed, Machine machine, Argument<string[]> wishes)
    {
        (IReadOnlyList<GpuTarget> targets, _) = LayoutSource.Read(parsed, machine, wishes);
        int[] forced = parsed.GetValue(ForceInUse) ?? [];
        if (forced.Length > 0 && targets.Count != 1)
            throw new UsageException("--force-in-use names instances of one GPU: choose it with -i.");
        return ApplyRunner.Run(parsed, machine, "applied", (options, progress, cancellation) =>
            LayoutApplier.ApplyAsync([.. targets.Select(target => target with { AllowInUse = forced })], options, progress, cancellation));
    }
}
