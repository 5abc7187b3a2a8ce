using System.CommandLine;
using Nvml.Mig.Layouts;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig apply</c>: a layout, whole or not at all.</summary>
internal static class ApplyCommand
{
    private static readonly Argument<string[]> Wishes = new("wish")
    {
        Description = "The layout that each GPU is to have, or a change to it, as for 'plan'. MIG mode is enabled where it is not.",
        Arity = ArgumentArity.OneOrMore,
    };

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
            Wishes,
            ApplyRunner.DryRun,
            ApplyRunner.ResetGpu,
            ApplyRunner.AllOrNothing,
            ForceInUse,
            ApplyRunner.RecordFolder,
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        Wish wish = Wish.Parse(string.Join(',', parsed.GetRequiredValue(Wishes)));
        int[] forced = parsed.GetValue(ForceInUse) ?? [];
        return Machine.Run(parsed, machine =>
        {
            IReadOnlyList<GpuDevice> gpus = machine.GpusToChange();
            if (forced.Length > 0 && gpus.Count != 1)
                throw new UsageException("--force-in-use names instances of one GPU: choose it with -i.");
            GpuTarget[] targets = [.. gpus.Select(gpu => new GpuTarget(gpu, wish) { AllowInUse = forced })];
            return ApplyRunner.Run(parsed, machine, (options, progress, cancellation) => LayoutApplier.ApplyAsync(targets, options, progress, cancellation));
        });
    }
}
