using Nvml.Mig.Leasing;

namespace Nvml.Mig.Benchmarks.LeasingWorth;

/// <summary>The results of a run.</summary>
/// <param name="MeanWait">Minutes from arrival to the first start, of the jobs that were served.</param>
/// <param name="P95Wait">95 of 100 jobs wait no longer.</param>
/// <param name="WholeGpuWait">The mean of those that need a whole GPU or more.</param>
/// <param name="InUse">The part of the pool's memory slices that jobs run on that asked for them.</param>
/// <param name="Short">
/// How far queues are below their fair share: for each the slices that it lacks, added up, as a part of the pool, on average over time.
/// </param>
/// <param name="Changes">Instances created and destroyed, for each job.</param>
/// <param name="Lost">Work that was thrown away with jobs that were told to go, as a part of all work done.</param>
/// <param name="TurnedAway">The part of the work that no instance is large enough for.</param>
/// <param name="Finished">How many jobs finished.</param>
internal sealed record Outcome(
    double MeanWait,
    double P95Wait,
    double WholeGpuWait,
    double InUse,
    double Short,
    double Changes,
    double Lost,
    double TurnedAway,
    int Finished);

/// <summary>Adds up over time, from when the pool has filled (a fifth of the stream) until the last job arrives.</summary>
internal sealed class Measures(IReadOnlyList<Job> jobs, Sizes sizes, IReadOnlyList<LeaseQueue> queues, long memorySlices)
{
    private readonly double _from = jobs[^1].Arrival / 5;
    private readonly double _to = jobs[^1].Arrival;
    private readonly Dictionary<string, Held> _queues = queues.ToDictionary(q => q.Name, q => new Held(q), StringComparer.Ordinal);
    private readonly List<(double Wait, bool Whole)> _waits = [];
    private double _time;
    private double _inUse;
    private double _short;
    private double _done;
    private double _lost;
    private long _running;

    /// <summary>The memory slices that a queue has and asks for.</summary>
    private sealed class Held(LeaseQueue queue)
    {
        public LeaseQueue Queue => queue;

        public long Has { get; set; }

        public long Asks { get; set; }
    }

    public int Finished { get; private set; }

    public int Changes { get; set; }

    public double TurnedAway { get; set; }

    /// <summary>Lets time pass.</summary>
    public void PassTo(double time)
    {
        double span = Math.Min(time, _to) - Math.Max(_time, _from);
        _time = time;
        if (span <= 0)
            return;
        _inUse += span * _running;
        Dictionary<string, double> fair = FairShares();
        _short += span * _queues.Sum(q => Math.Max(0, fair[q.Key] - q.Value.Has));
    }

    public void Asked(Job job) => _queues[job.Queue].Asks += sizes.Of(job).Memory;

    public void Granted(Job job) => _queues[job.Queue].Has += sizes.Of(job).Memory;

    public void Started(Job job, double time, bool isFirst)
    {
        _running += sizes.Of(job).Memory;
        if (isFirst && job.Arrival >= _from)
            _waits.Add((time - job.Arrival, sizes.Of(job).Memory >= 8));
    }

    /// <summary>A job has ended, or was told to go and waits again.</summary>
    public void Ended(Job job, double ran, bool isLost)
    {
        long size = sizes.Of(job).Memory;
        _running -= ran > 0 ? size : 0;
        _queues[job.Queue].Has -= size;
        _done += ran * size;
        if (isLost)
        {
            _lost += ran * size;
            return;
        }

        Finished++;
        _queues[job.Queue].Asks -= size;
    }

    public Outcome Result()
    {
        double[] waits = [.. _waits.Select(w => w.Wait / 60).Order()];
        double window = (_to - _from) * memorySlices;
        double all = jobs.Sum(j => sizes.Of(j).Memory * j.Duration);
        return new Outcome(
            waits.DefaultIfEmpty().Average(),
            waits.Length == 0 ? 0 : waits[(int)Math.Ceiling(waits.Length * 0.95) - 1],
            _waits.Where(w => w.Whole).Select(w => w.Wait / 60).DefaultIfEmpty().Average(),
            _inUse / window,
            _short / window,
            (double)Changes / jobs.Count,
            _done == 0 ? 0 : _lost / _done,
            TurnedAway / all,
            Finished);
    }

    /// <summary>Quotas first, then by weight, in fractions of slices: a yardstick of its own, the same for every way of dividing.</summary>
    private Dictionary<string, double> FairShares()
    {
        Dictionary<string, double> fair = _queues.ToDictionary(
            q => q.Key, q => (double)Math.Min(q.Value.Queue.Quota!.Value.Memory, q.Value.Asks), StringComparer.Ordinal);
        double rest = memorySlices - fair.Values.Sum();
        while (rest > 1e-6)
        {
            Held[] thirsty = [.. _queues.Values.Where(q => q.Asks - fair[q.Queue.Name] > 1e-6)];
            if (thirsty.Length == 0)
                break;
            double weights = thirsty.Sum(q => q.Queue.Weight);
            double given = 0;
            foreach (Held queue in thirsty)
            {
                double more = Math.Min(queue.Asks - fair[queue.Queue.Name], rest * queue.Queue.Weight / weights);
                fair[queue.Queue.Name] += more;
                given += more;
            }

            rest -= given;
        }

        return fair;
    }
}
