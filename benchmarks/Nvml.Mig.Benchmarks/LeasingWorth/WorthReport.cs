using System.Globalization;
using Nvml.Mig.Benchmarks.Running;

namespace Nvml.Mig.Benchmarks.LeasingWorth;

/// <summary>Runs every way of dividing on the same streams, and writes the table.</summary>
internal static class WorthReport
{
    private const int Gpus = 64;
    private const int Jobs = 2000;
    private static readonly int[] Seeds = [1, 2, 3, 4, 5];
    private static readonly double[] Loads = [0.6, 0.9, 1.1];

    private static readonly (string Name, Func<Outcome, double> Of, string Format)[] Columns =
    [
        ("mean wait, min", o => o.MeanWait, "0.0"),
        ("p95 wait, min", o => o.P95Wait, "0"),
        ("mean wait for a whole GPU, min", o => o.WholeGpuWait, "0"),
        ("slices in use", o => o.InUse, "0.0 %"),
        ("short of fair share", o => o.Short, "0.0 %"),
        ("changes a job", o => o.Changes, "0.00"),
        ("work lost", o => o.Lost, "0.0 %"),
        ("turned away", o => o.TurnedAway, "0 %"),
    ];

    public static void Write(GpuGeometry geometry)
    {
        IReadOnlyList<Division> divisions = Division.All(Gpus, geometry);
        string path = Path.Combine(Results.Repository, "benchmarks", "results", "LeasingWorth.md");
        using StreamWriter file = File.CreateText(path);
        Line($"{Gpus} simulated H100 on {Gpus / Division.GpusOfMachine} machines, {Jobs} jobs, seeds {string.Join(", ", Seeds)}; mean and");
        Line($"standard deviation over the seeds.");
        Line($"");
        foreach (Division division in divisions.Where(d => d.IsFixed))
            Line($"- {division.Name}: {string.Join("; ", division.Layouts!.Select(l => $"{l.Gpus} x {l.Layout}"))}");
        foreach (double load in Loads)
        {
            Line($"");
            Line($"| load {load:0.0} | {string.Join(" | ", Columns.Select(c => c.Name))} |");
            Line($"| --- |{string.Concat(Columns.Select(_ => " ---: |"))}");
            foreach (Division division in divisions)
                Line($"| {division.Name} | {string.Join(" | ", Row(division, load, geometry))} |");
        }

        void Line(FormattableString text)
        {
            string line = FormattableString.Invariant(text);
            file.WriteLine(line);
            Console.WriteLine(line);
        }
    }

    private static IEnumerable<string> Row(Division division, double load, GpuGeometry geometry)
    {
        Sizes sizes = new(geometry);
        Outcome[] outcomes = [.. Seeds.Select(seed =>
            Site.Run(JobStream.Create(seed, Jobs, load, sizes, 8 * Gpus), division, Gpus, geometry))];
        foreach ((_, Func<Outcome, double> of, string format) in Columns)
        {
            double mean = outcomes.Average(of);
            double spread = Math.Sqrt(outcomes.Sum(o => Math.Pow(of(o) - mean, 2)) / (outcomes.Length - 1));
            yield return $"{mean.ToString(format, CultureInfo.InvariantCulture)} ± {spread.ToString(format, CultureInfo.InvariantCulture)}";
        }
    }
}
