using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Apply;

/// <summary>
/// Shows what an apply does on each GPU: a bar for each on a terminal, a line for each step in a log, nothing beside JSON.
/// </summary>
internal static class ApplyProgressView
{
    public static T Run<T>(bool json, Func<IProgress<ApplyProgress>?, T> apply)
    {
        if (json)
            return apply(null);
        if (!Terminal.IsErrorLive)
            return apply(new Listener(p => Terminal.WriteProgress($"GPU {p.Gpu.Index}: {Text(p)}{Count(p)}")));
        return Terminal.ShowBars(begin =>
        {
            Dictionary<int, ProgressBar> bars = [];
            return apply(new Listener(p =>
            {
                lock (bars)
                {
                    if (!bars.TryGetValue(p.Gpu.Index, out ProgressBar? bar))
                        bars[p.Gpu.Index] = bar = begin($"GPU {p.Gpu.Index}"); // Spectre.Console refuses an empty text.
                    bar.Show($"GPU {p.Gpu.Index}: {Text(p)}{Count(p)}");
                    bar.MoveTo(p.Step is null ? p.Count : p.Number - 1, Math.Max(1, p.Count));
                    if (p.Outcome is not null)
                        bar.Stop();
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

    /// <summary>Reports in the thread that does the work. <see cref="Progress{T}"/> reports later, and out of order.</summary>
    internal sealed class Listener(Action<ApplyProgress> hear) : IProgress<ApplyProgress>
    {
        public void Report(ApplyProgress value) => hear(value);
    }
}
