using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;

namespace Nvml.Mig.Cli.Apply;

/// <summary><c>nvmig apply</c>: makes a layout, whole or not at all.</summary>
internal static class ApplyCommand
{
    public static Command Build()
    {
        Command command = new("apply", "Divide GPUs as a layout says, and keep the instances that fit it. A GPU that fails is rolled back.")
        {
            ApplyArguments.DryRun,
            ApplyArguments.ResetGpu,
            ApplyArguments.AllOrNothing,
            ApplyArguments.LeavePending,
            ApplyArguments.Wait,
            ApplyArguments.JournalFolder,
            ApplyArguments.Quiesce,
            ApplyArguments.Services,
            ApplyArguments.BeforeStop,
            ApplyArguments.AfterStart,
        };
        InstanceOptions.AddTo(command);
        Argument<string[]> layout = LayoutSource.AddTo(
            command, "The layout for each GPU, or a change to it, as for 'plan'. MIG mode is enabled where it is disabled.");
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine, layout)));
        return command;
    }

    private static int Run(ParseResult parsed, Machine machine, Argument<string[]> layout)
    {
        RequestedLayouts requested = LayoutSource.Read(parsed, machine, layout);
        IReadOnlyList<GpuTarget> targets = InstanceOptions.Complete(parsed, machine, requested.Targets);
        requested.WriteNotes();
        if (targets.Count == 0 && requested.Undecided.Count == 0)
            return ApplyRun.ReportNothing(machine);
        return ApplyRun.Run(
            parsed,
            machine,
            ApplyRun.Applied,
            (options, progress, cancellation) => ApplyAsync(requested, targets, options, progress, cancellation),
            result =>
            {
                requested.WriteNotes(result);
                return requested.Complete(result);
            });
    }

    private static Task<ApplyResult> ApplyAsync(
        RequestedLayouts requested,
        IReadOnlyList<GpuTarget> targets,
        ApplyOptions options,
        IProgress<ApplyProgress>? progress,
        CancellationToken cancellation)
    {
        if (options.AllOrNothing && requested.Undecided.Count > 0)
            throw requested.Undecided[0].Error;
        return targets.Count == 0
            ? Task.FromResult(new ApplyResult([]))
            : LayoutApplier.ApplyAsync(targets, options, progress, cancellation);
    }
}
