using Nvml.Mig.Layouts;
using Spectre.Console;

namespace Nvml.Mig.Cli.Output;

/// <summary>Tells what is being measured: a bar on a terminal, a line for each thing in a log, nothing beside JSON. On standard error.</summary>
internal static class BenchProgressView
{
    public static ApplyResult Run(Machine machine, GpuDevice gpu, int steps, Func<Action<string>, IProgress<ApplyProgress>?, ApplyResult> bench)
    {
        if (machine.Json)
            return bench(_ => { }, null);
        if (Console.IsErrorRedirected)
        {
            string? last = null;
            return bench(
                what =>
                {
                    if (what != last)
                        Console.Error.WriteLine($"GPU {gpu.Index}: measuring {what}");
                    last = what;
                },
                new ApplyProgressView.Listener(back => Console.Error.WriteLine($"GPU {gpu.Index}: {Text(back)}")));
        }

        return AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) })
            .Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new ElapsedTimeColumn(), new RemainingTimeColumn())
            .Start(view =>
            {
                ProgressTask bar = view.AddTask(Markup.Escape($"GPU {gpu.Index}"), maxValue: steps);
                double begun = 0;
                return bench(
                    what =>
                    {
                        bar.Description = Markup.Escape($"GPU {gpu.Index}: measuring {what}");
                        bar.Value = begun++;
                    },
                    new ApplyProgressView.Listener(back =>
                    {
                        bar.Description = Markup.Escape($"GPU {gpu.Index}: {Text(back)}");
                        if (back.Outcome == ApplyOutcome.Applied)
                            bar.Value = steps;
                        if (back.Outcome is not null)
                            bar.StopTask();
                    }));
            });
    }

    private static string Text(ApplyProgress back) =>
        back.Outcome is ApplyOutcome.Applied or ApplyOutcome.RolledBack ? "as it was before" : ApplyProgressView.Text(back);
}
