using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;

namespace Nvml.Mig.Cli.Apply;

/// <summary><c>nvmig apply</c>: makes a layout, whole or not at all.</summary>
internal static class ApplyCommand
{
    private static readonly Option<int[]> ForceInUse = new("--force-in-use")
    {
        Description = "GPU instances, by id, to destroy even if they are in use, once their processes end; on the one GPU that -i names.",
        HelpName = "ID",
        AllowMultipleArgumentsPerToken = true,
    };

    public static Command Build()
    {
        Command command = new("apply", "Divide GPUs as a layout says, and keep the instances that fit it. A GPU that fails is rolled back.")
        {
            ApplyArguments.DryRun,
            ApplyArguments.ResetGpu,
            ApplyArguments.AllOrNothing,
            ForceInUse,
            ApplyArguments.JournalFolder,
            ApplyArguments.Quiesce,
            ApplyArguments.Services,
            ApplyArguments.BeforeStop,
            ApplyArguments.AfterStart,
        };
        Argument<string[]> layout = LayoutSource.AddTo(
            command, "The layout for each GPU, or a change to it, as for 'plan'. MIG mode is enabled where it is disabled.");
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine, layout)));
        return command;
    }

    private static int Run(ParseResult parsed, Machine machine, Argument<string[]> layout)
    {
        RequestedLayouts requested = LayoutSource.Read(parsed, machine, layout);
        int[] forced = parsed.GetValue(ForceInUse) ?? [];
        if (forced.Length > 0 && requested.Targets.Count != 1)
            throw new UsageException("--force-in-use names instances of one GPU: select it with -i.");
        requested.WriteNotes();
        if (requested.Targets.Count == 0)
            return ApplyRun.ReportNothing(machine);
        return ApplyRun.Run(parsed, machine, "applied", async (options, progress, cancellation) =>
        {
            ApplyResult result = await LayoutApplier
                .ApplyAsync([.. requested.Targets.Select(target => target with { AllowInUse = forced })], options, progress, cancellation)
                .ConfigureAwait(false);
            foreach ((GpuTarget target, GpuApplyResult gpu) in requested.Targets.Zip(result.Gpus))
                RequestedLayouts.WriteNotes(gpu.Gpu, target.Layout, gpu.Before?.Geometry);
            return result;
        });
    }
}
