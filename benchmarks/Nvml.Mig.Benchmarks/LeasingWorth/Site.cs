using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Benchmarks.LeasingWorth;

/// <summary>
/// A discrete-event simulation of a site: jobs arrive, the scheduler decides, the machines change their GPUs one change after the other,
/// jobs run and end. The queues, their rules and the jobs are the same for every way of dividing.
/// </summary>
internal sealed class Site
{
    /// <summary>Seconds to create an instance: the upper bound from a log of an H100 NVL.</summary>
    private const double Create = 0.8;

    /// <summary>Seconds to destroy one: the order that a comment in NVIDIA's DRA driver names.</summary>
    private const double Destroy = 1;

    private static readonly DateTimeOffset Begin = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly SchedulerOptions Options =
        new() { VictimDelay = TimeSpan.FromMinutes(1), Grace = TimeSpan.FromSeconds(30) };

    private readonly Division _division;
    private readonly Scheduler _scheduler;
    private readonly IReadOnlyList<LeaseQueue> _queues;
    private readonly LeasableGpu[] _gpus;
    private readonly Dictionary<string, int> _gpuIndex;
    private readonly List<InstancePlace>[] _standing;
    private readonly double[] _machineFree;
    private readonly Measures _measures;
    private readonly Dictionary<string, Job> _jobs;
    private readonly Dictionary<string, Claim> _claims = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Running> _running = new(StringComparer.Ordinal);
    private readonly List<Lease> _leases = [];
    private readonly HashSet<string> _promised = new(StringComparer.Ordinal);
    private readonly HashSet<string> _started = new(StringComparer.Ordinal);
    private readonly PriorityQueue<Action, (double Time, long Number)> _events = new();
    private double _now;
    private double _wakeAt;
    private long _number;
    private bool _isChanged;

    /// <summary>A job that has its instances.</summary>
    private sealed record Running(Job Job, double Start)
    {
        public double End => Start + Job.Duration;
    }

    private Site(IReadOnlyList<Job> jobs, Division division, int gpus, GpuGeometry geometry)
    {
        _division = division;
        _scheduler = new Scheduler(Options with { ReuseAcrossUsers = division.ReuseAcrossUsers });
        _queues = QueuesOf(gpus);
        _gpus = [.. division.Pool(gpus, geometry)];
        _gpuIndex = Enumerable.Range(0, _gpus.Length).ToDictionary(i => _gpus[i].Id, i => i, StringComparer.Ordinal);
        _standing = [.. _gpus.Select(_ => new List<InstancePlace>())];
        _machineFree = new double[(_gpus.Length / Division.GpusOfMachine) + 1];
        _measures = new Measures(jobs, new Sizes(geometry), _queues, 8L * gpus);
        _jobs = jobs.ToDictionary(IdOf, StringComparer.Ordinal);
        foreach (Job job in jobs)
            At(job.Arrival, () => Arrive(job, new Sizes(geometry)));
    }

    public static Outcome Run(IReadOnlyList<Job> jobs, Division division, int gpus, GpuGeometry geometry) =>
        new Site(jobs, division, gpus, geometry).Run();

    /// <summary>Half, three tenths and a tenth of the pool; the rest goes by weight.</summary>
    private static LeaseQueue[] QueuesOf(int gpus)
    {
        Slices Part(int tenths) => new(7L * gpus * tenths / 10, 8L * gpus * tenths / 10);
        return
        [
            new("research") { Quota = Part(5), Weight = 2 },
            new("product") { Quota = Part(3) },
            new("teaching") { Quota = Part(1) },
        ];
    }

    private static string IdOf(Job job) => $"job-{job.Number:D6}";

    private Outcome Run()
    {
        while (_events.TryDequeue(out Action? happens, out (double Time, long) at))
        {
            _measures.PassTo(at.Time);
            _now = at.Time;
            happens();
            // Events of one time are decided on together.
            if (_isChanged && !(_events.TryPeek(out _, out (double Time, long) next) && next.Time == _now))
                Decide();
        }

        return _claims.Count == 0 ? _measures.Result() : throw new InvalidOperationException($"{_claims.Count} claims wait for ever.");
    }

    private void At(double time, Action happens) => _events.Enqueue(happens, (time, _number++));

    private void Arrive(Job job, Sizes sizes)
    {
        // A job for which no instance is large enough goes elsewhere at once.
        ILookup<string, int> fitting = _gpus
            .Where(g => g.Geometry.Profiles.Any(p => Sizes.Fits(p.Profile, job.Need)))
            .ToLookup(g => g.Model, g => g.Geometry.MemorySliceCount, StringComparer.Ordinal);
        string? exact = fitting.Where(f => f.Count() >= job.Count).MinBy(f => f.First())?.Key;
        if (_division.IsFixed && (_division.LargerWillDo ? fitting.Sum(f => f.Count()) < job.Count : exact is null))
        {
            _measures.TurnedAway += sizes.Of(job).Memory * job.Duration;
            return;
        }

        // A part of a queue's quota can be had for good; who asks for more than that lets it be taken back.
        Slices size = sizes.Of(job);
        bool isPreemptible = job.IsPreemptible || !(size + size).IsWithin(_queues.Single(q => q.Name == job.Queue).Quota);
        _measures.Asked(job);
        Wait(job with { IsPreemptible = isPreemptible }, _division.LargerWillDo ? [] : [exact!]);
    }

    private void Wait(Job job, IReadOnlyList<string> models)
    {
        _claims[IdOf(job)] = new Claim(IdOf(job), job.Queue, new LeaseOwner(job.Uid), [InstanceRequest.Of(job.Need, job.Count)])
        {
            Created = Begin.AddSeconds(job.Arrival),
            IsPreemptible = job.IsPreemptible,
            MinimumRuntime = TimeSpan.FromMinutes(10),
            Models = models,
        };
        _isChanged = true;
    }

    private void Decide()
    {
        _isChanged = false;
        Decisions decisions = _scheduler.Decide(
            new SchedulerInput(Begin.AddSeconds(_now), _gpus, _queues, [.. _claims.Values], [.. _leases]) { Promised = _promised });
        foreach (Victim victim in decisions.Victims)
            TellToGo(victim);
        foreach (Grant grant in decisions.Grants)
            Grant(grant);
        if (decisions.NextTime is not { } time)
            return;
        double wake = (time - Begin).TotalSeconds;
        if (wake == _wakeAt)
            return;
        _wakeAt = wake;
        At(wake, () => _isChanged = true);
    }

    private void Grant(Grant grant)
    {
        Job job = _jobs[grant.Claim.Id];
        double ready = _now;
        foreach (GrantedInstance instance in grant.Instances)
            ready = Math.Max(ready, Make(instance));
        _claims.Remove(grant.Claim.Id);
        _promised.Remove(grant.Claim.Id);
        _measures.Granted(job);
        Lease lease = new(
            $"{grant.Claim.Id}#{_number}", grant.Claim, [.. grant.Instances.Select(i => i.Place)], Begin.AddSeconds(_now));
        _leases.Add(lease);
        _running[lease.Id] = new Running(job, ready);
        At(ready, () =>
        {
            if (_running.ContainsKey(lease.Id))
                _measures.Started(job, ready, _started.Add(grant.Claim.Id));
        });
        At(ready + job.Duration, () => End(lease.Id, isLost: false));
    }

    /// <summary>Makes an instance. Returns when it is there.</summary>
    private double Make(GrantedInstance instance)
    {
        int gpu = _gpuIndex[instance.Place.Gpu];
        if (_division.IsFixed)
        {
            Put(gpu, instance.Place);
            return _now;
        }

        foreach (CachedInstance evicted in instance.Evicted)
        {
            Uncache(gpu, evicted.Place);
            Take(gpu, evicted.Place);
            Change(gpu, Destroy);
        }

        if (instance.IsCached)
        {
            Uncache(gpu, instance.Place);
            return _now;
        }

        Put(gpu, instance.Place);
        return Change(gpu, Create);
    }

    /// <summary>The driver makes one change at a time on a machine.</summary>
    private double Change(int gpu, double duration)
    {
        _measures.Changes++;
        ref double free = ref _machineFree[gpu / Division.GpusOfMachine];
        return free = Math.Max(free, _now) + duration;
    }

    private void TellToGo(Victim victim)
    {
        _promised.Add(victim.For);
        _leases[_leases.IndexOf(victim.Lease)] = victim.Lease with { IsEnding = true };
        double goneBy = (victim.GoneBy - Begin).TotalSeconds;
        if (_running[victim.Lease.Id].End > goneBy)
            At(goneBy, () => End(victim.Lease.Id, isLost: true));
    }

    private void End(string id, bool isLost)
    {
        if (!_running.Remove(id, out Running? running))
            return; // told to go before
        _measures.Ended(running.Job, Math.Max(0, _now - running.Start), isLost);
        int index = _leases.FindIndex(l => l.Id == id);
        Lease lease = _leases[index];
        if (isLost)
            Wait(running.Job with { IsPreemptible = true }, lease.Claim.Models);
        _isChanged = true;
        if (_division.IsFixed || _division.KeepsCache)
        {
            _leases.RemoveAt(index);
            foreach (InstancePlace place in lease.Instances)
                Free(place, lease.Claim.Owner.Uid);
            return;
        }

        // The place is taken until the instance has been destroyed.
        _leases[index] = lease with { IsEnding = true };
        At(lease.Instances.Max(place => Change(_gpuIndex[place.Gpu], Destroy)), () =>
        {
            _leases.RemoveAt(_leases.FindIndex(l => l.Id == id));
            foreach (InstancePlace place in lease.Instances)
                Take(_gpuIndex[place.Gpu], place);
            _isChanged = true;
        });
    }

    private void Free(InstancePlace place, uint uid)
    {
        int gpu = _gpuIndex[place.Gpu];
        if (_division.IsFixed)
            Take(gpu, place);
        else
            _gpus[gpu] = _gpus[gpu] with { Cached = [.. _gpus[gpu].Cached, new CachedInstance(place, uid)] };
    }

    private void Uncache(int gpu, InstancePlace place)
    {
        CachedInstance[] left = [.. _gpus[gpu].Cached.Where(c => c.Place != place)];
        Must(left.Length == _gpus[gpu].Cached.Count - 1, $"{place} is cached");
        _gpus[gpu] = _gpus[gpu] with { Cached = left };
    }

    private void Put(int gpu, InstancePlace place)
    {
        Must(!_standing[gpu].Exists(other => other.Placement.Overlaps(place.Placement)), $"nothing stands at {place}");
        _standing[gpu].Add(place);
    }

    private void Take(int gpu, InstancePlace place) => Must(_standing[gpu].Remove(place), $"{place} stands");

    private static void Must(bool holds, string what)
    {
        if (!holds)
            throw new InvalidOperationException($"Broken: {what}.");
    }
}
