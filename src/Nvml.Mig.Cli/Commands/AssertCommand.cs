using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig assert</c>: whether GPUs are divided as a layout says.</summary>
internal static class AssertCommand
{
    public static Command Build()
    {
        Command command = new("assert", "Check that GPUs are divided as a layout says. Exit code 0 if so, else 65 with what differs.");
        Argument<string[]> wishes = LayoutSource.AddTo(command, "The layout that each GPU should have, as for 'apply'; '' for none.");
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine, wishes)));
        return command;
    }

    private static int Run(ParseResult parsed, Machine machine, Argument<string[]> wishes)
    {
        (IReadOnlyList<GpuTarget> targets, IReadOnlyList<GpuDevice> leftOut) = LayoutSource.Read(parsed, machine, wishes);
        if (targets.FirstOrDefault(target => target.Layout?.IsChange == true) is { } change)
            throw new UsageException($"'{change.Layout}' is a change: name the whole layout.");
        foreach (GpuDevice gpu in leftOut)
            Failures.Say($"GPU {gpu.Index}: the layout says nothing of it.");
        ApplyResult result = LayoutApplier.ApplyAsync(targets, new ApplyOptions { DryRun = true }).GetAwaiter().GetResult();
        AssertEntry[] gpus = [.. result.Gpus.Select(ToEntry)];
        // What a GPU cannot have, or what cannot be read, is another thing than what is missing.
        Exception? impossible = result.Gpus.Select(UnreadableOrImpossible).FirstOrDefault(e => e is not null);
        AssertEntry? differs = Array.Find(gpus, g => !g.Holds);
        foreach (AssertEntry gpu in gpus)
        {
            foreach (string difference in gpu.Differences)
                Failures.Say($"GPU {gpu.Index}: {difference}");
        }

        if (impossible is not null)
            Failures.Say(impossible.Message);
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
                Console.Out.WriteLine($"GPU {gpu.Index} is as it should be.");
        }

        return impossible is not null ? ExitCodes.For(impossible) : differs is null ? ExitCodes.Success : ExitCodes.Differs;
    }

    private static AssertEntry ToEntry(GpuApplyResult gpu)
    {
        bool holds = gpu is { Goal: { } wanted, Before: { } there } && there.GetDifferencesFrom(wanted).Count == 0;
        IReadOnlyList<string> differences = gpu switch
        {
            { Refusal: { } refusal } => [$"It is not as it should be, and cannot be made so as things stand: {refusal.Message}"],
            { Goal: { } goal, Before: { } before } => before.GetDifferencesFrom(goal),
            _ => [],
        };
        ErrorEntry? error = UnreadableOrImpossible(gpu) is { } impossible ? ErrorEntry.From(impossible)
            : holds ? null
            : new ErrorEntry(ExitCodes.Differs, nameof(ExitCodes.Differs), null, string.Join(" ", differences));
        return new AssertEntry(gpu.Gpu.Index, gpu.Gpu.Uuid, holds, differences, error);
    }

    /// <summary>Where there is a goal, the GPU can be compared with it: that something is in use does not matter for that.</summary>
    private static Exception? UnreadableOrImpossible(GpuApplyResult gpu) => gpu.Goal is null && gpu.Error is not OperationCanceledException ? gpu.Error : null;
}
