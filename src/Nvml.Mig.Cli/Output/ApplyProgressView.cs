using Nvml.Mig.Applying;
using Spectre.Console;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// Tells what an apply is doing on each GPU: a bar for each on a terminal, a line for each step in a log, nothing beside JSON. On standard
/// error, as <see cref="Progress"/>.
/// </summary>
internal static class ApplyProgressView
{
    public static ApplyResult Run(Machine machine, Func<IProgress<ApplyProgress>?, ApplyResult> apply)
    {
        if (machine.Json)
            return apply(null);
        if (Console.IsErrorRedirected)
            return apply(new Listener(p => Console.Error.WriteLine($"GPU {p.Gpu.Index}: {Text(p)}{Count(p)}")));
        return AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) })
            .Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new ElapsedTimeColumn())
            .Start(view =>
            {
                Dictionary<int, ProgressTask> bars = [];
                return apply(new Listener(p =>
                {
                    lock (bars)
                    {
                        if (!bars.TryGetValue(p.Gpu.Index, out ProgressTask? bar))
                            bars[p.Gpu.Index] = bar = view.AddTask($"GPU {p.Gpu.Index}"); // An empty description is refused.
                        bar.Description = Markup.Escape($"GPU {p.Gpu.Index}: {Text(p)}{Count(p)}");
                        bar.MaxValue = Math.Max(1, p.Count);
                        bar.Value = p.Step is null ? p.Count : p.Number - 1;
                        if (p.Outcome is not null)
                            bar.StopTask();
                    }
                }));
            });
    }

    public static string Text(ApplyProgress progress) => progress switch
    {
        { Outcome: { } outcome } => ApplyView.Name(outcome),
        { Step: null } => "reading back",
        { IsRollback: true } => $"rolling back: {progress.Step}",
        _ => progress.Step.ToString(),
    };

    private static string Count(ApplyProgress progress) => progress.Step is null ? "" : $" ({progress.Number} of {progress.Count})";

    /// <summary>Hears in the threads that do the work. <see cref="Progress{T}"/> would tell later, and out of order.</summary>
    internal sealed class Listener(Action<ApplyProgress> hear) : IProgress<ApplyProgress>
    {
        public void Report(ApplyProgress value) => hear(value);
    }
}
