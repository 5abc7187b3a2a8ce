using System.Globalization;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Bench;

/// <summary>What a benchmark will do, and what it measured, for people.</summary>
internal static class BenchView
{
    /// <summary>The steps of a histogram between the shortest and the longest time of its table.</summary>
    private const int Bins = 24;

    private const string Bars = "▁▂▃▄▅▆▇█";

    public static IEnumerable<string> Announce(GpuDevice gpu, BenchPlan plan, bool switchesMode, int repetitions, int warmup)
    {
        int rounds = warmup + repetitions;
        yield return $"GPU {gpu.Index}  {gpu.Name}  {gpu.PciBusId}  MIG {gpu.GetMigMode()}";
        yield return string.Create(
            CultureInfo.InvariantCulture, $"It is empty now. Each operation runs {rounds} times on it, {warmup} of them to warm up:");
        if (switchesMode)
            yield return "  MIG mode is disabled and enabled.";
        yield return $"  A GPU instance and a compute instance in it are created and destroyed: {string.Join("; ", plan.Places
            .GroupBy(p => p.Profile)
            .Select(at => $"{at.Key.Name} at {string.Join(", ", at.Select(p => p.Placement))}"))}.";
        yield return $"  Whole layouts are created and destroyed: {string.Join("; ", plan.Layouts.Select(l => l.Name))}.";
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"That makes {rounds * plan.InstanceCount} GPU instances. Do not use the GPU meanwhile. At the end it is as it is now.");
    }

    public static void Show(IReadOnlyList<Measurement> measurements)
    {
        foreach (Measurement[] alike in measurements.GroupBy(m => m.Operation).Select(same => same.ToArray()))
        {
            string calls = alike[0].Layout is null ? string.Join(", ", alike[0].Calls) : "the same calls, for each of its instances";
            Terminal.WriteLine($"{Title(alike[0].Operation)}: {calls}");
            Terminal.Write(ToTable(alike));
        }
    }

    /// <summary>The number of times in each step; each step is longer than the one before by the same factor.</summary>
    public static string DrawHistogram(IReadOnlyList<TimeSpan> times, TimeSpan shortest, TimeSpan longest)
    {
        int[] counts = new int[Bins];
        double whole = Math.Log((double)Math.Max(1, longest.Ticks) / Math.Max(1, shortest.Ticks));
        foreach (TimeSpan time in times)
        {
            double part = whole > 0 ? Math.Log((double)Math.Max(1, time.Ticks) / Math.Max(1, shortest.Ticks)) / whole : 0;
            counts[Math.Clamp((int)(part * Bins), 0, Bins - 1)]++;
        }

        int most = counts.Max();
        return string.Concat(counts.Select(count => count == 0 ? ' ' : Bars[((count * Bars.Length) - 1) / most]));
    }

    private static TextTable ToTable(Measurement[] alike)
    {
        TimeSpan shortest = alike.Min(m => m.GetPercentile(0));
        TimeSpan longest = alike.Max(m => m.GetPercentile(100));
        string scale = $"{Milliseconds(shortest)} to {Milliseconds(longest)} ms (log)";
        TextTable table = alike[0].Layout is null
            ? new("Profile", "Place", ">Times", ">p50 ms", ">p95 ms", ">max ms", scale)
            : new("Layout", "Kind", ">Times", ">p50 ms", ">p95 ms", ">max ms", scale);
        foreach (Measurement m in alike)
        {
            table.Add(
                m.Layout?.Name ?? m.Profile?.Name ?? "-",
                m.Layout?.Kind ?? m.Placement?.ToString() ?? "-",
                m.Times.Count.ToString(CultureInfo.InvariantCulture),
                Milliseconds(m.GetPercentile(50)),
                Milliseconds(m.GetPercentile(95)),
                Milliseconds(m.GetPercentile(100)),
                DrawHistogram(m.Times, shortest, longest));
        }

        return table;
    }

    private static string Title(BenchOperation operation) => operation switch
    {
        BenchOperation.DisableMig => "Disable MIG mode",
        BenchOperation.EnableMig => "Enable MIG mode",
        BenchOperation.CreateGpuInstance => "Create a GPU instance",
        BenchOperation.CreateComputeInstance => "Create the compute instance in it",
        BenchOperation.DestroyComputeInstance => "Destroy the compute instance",
        BenchOperation.DestroyGpuInstance => "Destroy the GPU instance",
        BenchOperation.CreateLayout => "Create a whole layout",
        _ => "Destroy the whole layout",
    };

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("0.000", CultureInfo.InvariantCulture);
}
