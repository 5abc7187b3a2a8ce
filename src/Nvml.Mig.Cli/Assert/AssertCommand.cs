using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Cli.Plan;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Cli.Assert;

/// <summary><c>nvmig assert</c>: checks that GPUs are divided as a layout says.</summary>
internal static class AssertCommand
{
    public static Command Build()
    {
        Command command = new("assert", "Check that GPUs are divided as a layout says. Exit code 0 if so, else 65 and the differences.");
        Argument<string[]> layout = LayoutSource.AddTo(command, "The layout that each GPU should have, as for 'apply'.");
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine, layout)));
        return command;
    }

    private static int Run(ParseResult parsed, Machine machine, Argument<string[]> layout)
    {
        RequestedLayouts requested = LayoutSource.Read(parsed, machine, layout);
        if (requested.Targets.FirstOrDefault(target => target.Layout?.IsChange == true) is { } change)
            throw new UsageException($"'{change.Layout}' is a change: name the whole layout.");
        ApplyResult read = requested.Complete(PlanCommand.DryRun(machine, requested.Targets));
        requested.WriteNotes(read);
        IReadOnlyList<GpuApplyResult> results = read.Gpus;
        AssertEntry[] gpus = [.. results.Select(ToEntry).Concat(WithoutTarget(requested)).OrderBy(gpu => gpu.Index)];
        // A layout that a GPU cannot have, or a GPU that cannot be read, is an error of its own and no difference.
        Exception? impossible = results.Select(UnreadableOrImpossible).FirstOrDefault(e => e is not null);
        AssertEntry? differs = Array.Find(gpus, g => !g.Holds);
        foreach (AssertEntry gpu in gpus)
        {
            foreach (string difference in gpu.Differences)
                Terminal.WriteError($"GPU {gpu.Index}: {difference}");
        }

        IEnumerable<string> messages = results.Select(UnreadableOrImpossible).OfType<Exception>().Select(e => e.Message);
        foreach (string message in messages.Distinct(StringComparer.Ordinal))
            Terminal.WriteError(message);
        if (machine.Json)
        {
            ErrorEntry? error = impossible is not null ? ErrorEntry.From(impossible)
                : differs is null ? null
                : differs.Error! with { Message = $"GPU {differs.Index}: {differs.Error.Message}" };
            Documents.Print(new AssertDocument(gpus, error));
        }
        else
        {
            foreach (AssertEntry gpu in gpus.Where(g => g.Holds))
                Terminal.WriteLine($"GPU {gpu.Index} is as requested.");
        }

        return impossible is not null ? ExitCodes.For(impossible) : differs is null ? ExitCodes.Success : ExitCodes.Differs;
    }

    /// <summary>As mig-parted's assert: every GPU must have an entry, and one that cannot be divided an entry without MIG.</summary>
    private static IEnumerable<AssertEntry> WithoutTarget(RequestedLayouts requested) =>
        requested.LeftOut.Select(gpu => ToEntry(gpu, "The layout does not cover it.")).Concat(requested.NotMigCapable.Select(gpu =>
            ToEntry(gpu.Gpu, gpu.IsMigEnabled ? $"The layout enables MIG, and a {gpu.Gpu.Name} cannot be divided." : null)));

    private static AssertEntry ToEntry(GpuIdentity gpu, string? difference) =>
        new(
            gpu.Index,
            gpu.Uuid,
            difference is null,
            difference is null ? [] : [difference],
            difference is null ? null : new ErrorEntry(ExitCodes.Differs, nameof(ExitCodes.Differs), null, difference));

    private static AssertEntry ToEntry(GpuApplyResult gpu)
    {
        bool holds = gpu is { Goal: { } wanted, Before: { } there } && there.GetDifferencesFrom(wanted).Count == 0;
        IReadOnlyList<string> differences = gpu switch
        {
            { Refusal: { } refusal } => [$"It is not as requested, and cannot be changed to that now: {refusal.Message}"],
            { Goal: { } goal, Before: { } before } => before.GetDifferencesFrom(goal),
            _ => [],
        };
        ErrorEntry? error = UnreadableOrImpossible(gpu) is { } impossible ? ErrorEntry.From(impossible)
            : holds ? null
            : new ErrorEntry(ExitCodes.Differs, nameof(ExitCodes.Differs), null, string.Join(" ", differences));
        return new AssertEntry(gpu.Gpu.Index, Readings.TryRead(() => gpu.Gpu.Uuid), holds, differences, error);
    }

    /// <summary>A GPU with a goal can be compared with it, even if an instance in use is in the way of a change.</summary>
    private static Exception? UnreadableOrImpossible(GpuApplyResult gpu) =>
        gpu.Goal is null && gpu.Error is not OperationCanceledException ? gpu.Error : null;
}
