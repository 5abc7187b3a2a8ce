using System.Globalization;
using Nvml.Mig.Cli.Bench;
using Spectre.Console;

namespace Nvml.Mig.Cli.Output;

/// <summary>What a benchmark will do, and what it measured: for people, and as JSON.</summary>
internal static class BenchView
{
    /// <summary>How many steps a histogram has between the shortest and the longest time of its table.</summary>
    private const int Bins = 24;

    private const string Bars = "▁▂▃▄▅▆▇█";

    public static IEnumerable<string> Announce(GpuDevice gpu, BenchPlan plan, bool switchesMode, int repetitions, int warmup)
    {
        int rounds = warmup + repetitions;
        yield return $"GPU {gpu.Index}  {gpu.Name}  {gpu.PciBusId}  MIG {gpu.GetMigMode()}";
        yield return string.Create(CultureInfo.InvariantCulture, $"It is empty now. On it will be done {rounds} times each, {warmup} of them to warm up:");
        if (switchesMode)
            yield return "  MIG mode is disabled and enabled.";
        yield return $"  A GPU instance and a compute instance in it are created and destroyed: {string.Join("; ", plan.Places
            .GroupBy(p => p.Profile)
            .Select(at => $"{at.Key.Name} at {string.Join(", ", at.Select(p => p.Placement))}"))}.";
        yield return $"  Whole layouts are created and destroyed: {string.Join("; ", plan.Layouts.Select(l => l.Name))}.";
        yield return string.Create(CultureInfo.InvariantCulture, $"{rounds * plan.InstanceCount} GPU instances in all. Use the GPU for nothing else meanwhile. In the end it is as it is now.");
    }

    public static void Show(IAnsiConsole console, IReadOnlyList<Measurement> measurements)
    {
        foreach (Measurement[] alike in measurements.GroupBy(m => m.Operation).Select(same => same.ToArray()))
        {
            console.WriteLine($"{Title(alike[0].Operation)}: {(alike[0].Layout is null ? string.Join(", ", alike[0].Calls) : "the same calls, for each of its instances")}");
            Tables.Print(console, ToTable(console, alike));
        }
    }

    public static MeasurementEntry ToEntry(Measurement measurement) =>
        new(
            measurement.Operation,
            measurement.Profile?.Name,
            measurement.Profile?.Id,
            measurement.Placement is { } placement ? PlacementEntry.From(placement) : null,
            measurement.Layout?.Name,
            measurement.Calls,
            measurement.GetPercentile(0).TotalMilliseconds,
            measurement.GetPercentile(50).TotalMilliseconds,
            measurement.GetPercentile(95).TotalMilliseconds,
            measurement.GetPercentile(100).TotalMilliseconds,
            [.. measurement.Times.Select(t => t.TotalMilliseconds)]);

    private static Table ToTable(IAnsiConsole console, Measurement[] alike)
    {
        TimeSpan shortest = alike.Min(m => m.GetPercentile(0));
        TimeSpan longest = alike.Max(m => m.GetPercentile(100));
        bool isOfLayouts = alike[0].Layout is not null;
        Table table = Tables.Create(
            console, isOfLayouts ? "Layout" : "Profile", isOfLayouts ? "Kind" : "Place", ">Times", ">p50 ms", ">p95 ms", ">max ms", $"{Milliseconds(shortest)} to {Milliseconds(longest)} ms (log)");
        foreach (Measurement m in alike)
        {
            table.AddRow(
                Markup.Escape(m.Layout?.Name ?? m.Profile?.Name ?? "-"),
                m.Layout?.Kind ?? m.Placement?.ToString() ?? "-",
                m.Times.Count.ToString(CultureInfo.InvariantCulture),
                Milliseconds(m.GetPercentile(50)),
                Milliseconds(m.GetPercentile(95)),
                Milliseconds(m.GetPercentile(100)),
                DrawHistogram(m.Times, shortest, longest));
        }

        return table;
    }

    /// <summary>How many times fall into each step of the way from the shortest to the longest, which are equally many times longer than the one before.</summary>
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
