using System.Globalization;
using Nvml.Mig.Applying;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Nvml.Mig.Cli.Output;

/// <summary>Tells what is being measured: a bar on a terminal, a line for each thing in a log, nothing beside JSON. On standard error.</summary>
internal static class BenchProgressView
{
    public static ApplyResult Run(Machine machine, GpuDevice gpu, int steps, Func<Action<string, TimeSpan?>, IProgress<ApplyProgress>?, ApplyResult> bench)
    {
        if (machine.Json)
            return bench((_, _) => { }, null);
        if (Console.IsErrorRedirected)
        {
            string? last = null;
            return bench(
                (what, _) =>
                {
                    if (what != last)
                        Console.Error.WriteLine($"GPU {gpu.Index}: measuring {what}");
                    last = what;
                },
                new ApplyProgressView.Listener(back => Console.Error.WriteLine($"GPU {gpu.Index}: {Text(back)}")));
        }

        RemainingColumn remaining = new();
        return AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) })
            .Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new ElapsedTimeColumn(), remaining)
            .Start(view =>
            {
                ProgressTask bar = view.AddTask(Markup.Escape($"GPU {gpu.Index}"), maxValue: steps);
                double begun = 0;
                return bench(
                    (what, rest) =>
                    {
                        remaining.Set(rest);
                        bar.Description = Markup.Escape($"GPU {gpu.Index}: measuring {what}");
                        bar.Value = begun++;
                    },
                    new ApplyProgressView.Listener(back =>
                    {
                        remaining.Set(null);
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

    /// <summary>Counts down from what the measuring estimates. Spectre's own goes by the speed of the bar, whose rounds are not alike.</summary>
    private sealed class RemainingColumn : ProgressColumn
    {
        /// <summary>In the milliseconds of <see cref="Environment.TickCount64"/>; 0 where it is not known. Another thread draws.</summary>
        private long _end;

        public void Set(TimeSpan? rest) => Volatile.Write(ref _end, rest is { } time ? Environment.TickCount64 + (long)time.TotalMilliseconds : 0);

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(Volatile.Read(ref _end) is > 0 and long end ? string.Create(CultureInfo.InvariantCulture, $@"{TimeSpan.FromMilliseconds(Math.Max(0, end - Environment.TickCount64)):hh\:mm\:ss} left") : "");
    }
}
