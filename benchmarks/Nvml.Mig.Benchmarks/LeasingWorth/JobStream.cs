using Nvml.Mig.Leasing;

namespace Nvml.Mig.Benchmarks.LeasingWorth;

/// <summary>A job: what its user asks for, when, and for how long it runs once it has it. Times are seconds.</summary>
internal sealed record Job(
    int Number, string Queue, uint Uid, InstanceNeed Need, int Count, bool IsPreemptible, double Arrival, double Duration);

/// <summary>
/// A synthetic stream. Memory, compute and duration have heavy tails; queues ask for other parts than they have quota; a job in twenty
/// wants several instances at once, one in four cannot be taken back.
/// </summary>
internal static class JobStream
{
    private const double TailOfSize = 1.5;
    private const double MedianDuration = 15 * 60;
    private const double SigmaOfDuration = 1.5;

    /// <summary>Jobs that ask for a load: memory slices asked for, times their duration, over what there is in that time.</summary>
    public static IReadOnlyList<Job> Create(int seed, int count, double load, Sizes sizes, int memorySlices)
    {
        // The mean is that of the distribution, not of this stream: a stream has more or less than its load, as real ones have.
        Random all = new(0);
        double meanWork = Enumerable.Range(0, 100_000).Average(i => Work(Next(all, i, 0), sizes));
        Random random = new(seed);
        List<Job> jobs = [];
        double time = 0;
        for (int i = 0; i < count; i++)
        {
            time += -Math.Log(1 - random.NextDouble()) * meanWork / (load * memorySlices);
            jobs.Add(Next(random, i, time));
        }

        return jobs;
    }

    /// <summary>Any jobs, such as to see what is asked for on average.</summary>
    public static IEnumerable<Job> Sample(int count)
    {
        Random random = new(0);
        return Enumerable.Range(0, count).Select(i => Next(random, i, 0));
    }

    private static double Work(Job job, Sizes sizes) => sizes.Of(job).Memory * job.Duration;

    private static Job Next(Random random, int number, double arrival)
    {
        // Research and teaching ask for other parts than their quotas.
        string queue = random.NextDouble() switch { < 0.4 => "research", < 0.7 => "product", _ => "teaching" };
        double compute = Pareto(random, 1);
        InstanceNeed need = new()
        {
            MemoryMiB = (long)Math.Min(75_000, Pareto(random, 4_000)),
            ComputeSlices = compute switch { < 2 => 1, < 3 => 2, < 4 => 3, < 7 => 4, _ => 7 },
        };
        double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        double duration = Math.Clamp(MedianDuration * Math.Exp(SigmaOfDuration * normal), 10, 12 * 3600);
        int count = random.Next(20) == 0 ? random.Next(2, 5) : 1;
        return new Job(number, queue, (uint)(1000 + random.Next(10)), need, count, random.Next(4) != 0, arrival, duration);
    }

    private static double Pareto(Random random, double least) => least * Math.Pow(1 - random.NextDouble(), -1 / TailOfSize);
}

/// <summary>The slices that a job takes of a GPU that is divided freely: those of the smallest profile that will do.</summary>
internal sealed class Sizes(GpuGeometry geometry)
{
    private readonly ProfileGeometry[] _bySize = [.. geometry.Profiles
        .Where(p => p.Placements.Count > 0)
        .OrderBy(p => p.Placements[0].Size).ThenBy(p => p.Profile.SliceCount).ThenByDescending(p => p.Profile.MaxInstances)];

    /// <summary>The smallest profile that does.</summary>
    public GpuInstanceProfile ProfileOf(InstanceNeed need) => Fitting(need).Profile;

    public Slices Of(Job job)
    {
        ProfileGeometry profile = Fitting(job.Need);
        return new Slices((long)profile.Profile.SliceCount * job.Count, (long)profile.Placements[0].Size * job.Count);
    }

    public static bool Fits(GpuInstanceProfile profile, InstanceNeed need) =>
        profile.MemoryMiB >= need.MemoryMiB && profile.SliceCount >= need.ComputeSlices;

    private ProfileGeometry Fitting(InstanceNeed need) =>
        Array.Find(_bySize, p => Fits(p.Profile, need)) ?? throw new InvalidOperationException($"No profile has {need}.");
}
