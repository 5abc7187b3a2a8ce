using System.Globalization;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Output;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Nvml.Mig.Cli.Bench;

/// <summary>Shows what is being measured: a bar on a terminal, a line for each operation in a log, nothing beside JSON.</summary>
internal static class BenchProgressView
{
    public static ApplyResult Run(
        bool json, GpuDevice gpu, int steps, Func<Action<string, TimeSpan?>, IProgress<ApplyProgress>?, ApplyResult> bench)
    {
        if (json)
            return bench((_, _) => { }, null);
        if (!Terminal.IsErrorLive)
        {
            string? last = null;
            return bench(
                (what, _) =>
                {
                    if (what != last)
                        Terminal.WriteProgress($"GPU {gpu.Index}: measuring {what}");
                    last = what;
                },
                new ApplyProgressView.Listener(back => Terminal.WriteProgress($"GPU {gpu.Index}: {Text(back)}")));
        }

        RemainingColumn remaining = new();
        return Terminal.ShowBars(
            begin =>
            {
                ProgressBar bar = begin($"GPU {gpu.Index}");
                double done = 0;
                return bench(
                    (what, rest) =>
                    {
                        remaining.Set(rest);
                        bar.Show($"GPU {gpu.Index}: measuring {what}");
                        bar.MoveTo(done++, steps);
                    },
                    new ApplyProgressView.Listener(back =>
                    {
                        remaining.Set(null);
                        bar.Show($"GPU {gpu.Index}: {Text(back)}");
                        if (back.Outcome == ApplyOutcome.Applied)
                            bar.MoveTo(steps, steps);
                        if (back.Outcome is not null)
                            bar.Stop();
                    }));
            },
            remaining);
    }

    private static string Text(ApplyProgress back) =>
        back.Outcome is ApplyOutcome.Applied or ApplyOutcome.RolledBack ? "as it was before" : ApplyProgressView.Text(back);

    /// <summary>
    /// Counts down from the estimate of the measurement. Spectre.Console's own goes by the speed of the bar, whose rounds are not alike.
    /// </summary>
    private sealed class RemainingColumn : ProgressColumn
    {
        /// <summary>In the milliseconds of <see cref="Environment.TickCount64"/>; 0 if unknown. Another thread draws.</summary>
        private long _end;

        public void Set(TimeSpan? rest) =>
            Volatile.Write(ref _end, rest is { } time ? Environment.TickCount64 + (long)time.TotalMilliseconds : 0);

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            if (Volatile.Read(ref _end) is not (> 0 and long end))
                return new Text("");
            TimeSpan left = TimeSpan.FromMilliseconds(Math.Max(0, end - Environment.TickCount64));
            return new Text(string.Create(CultureInfo.InvariantCulture, $@"{(long)left.TotalHours:00}:{left:mm\:ss} left"));
        }
    }
}
