using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>
/// A machine that does what the scheduler decides, and remembers it. Leases that are told to go are gone one step later; what they leave
/// behind is cached.
/// </summary>
internal sealed class World(
    IReadOnlyList<LeasableGpu> gpus, IReadOnlyList<LeaseQueue> queues, SchedulerOptions? options = null, bool requeues = false)
{
    public static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Scheduler _scheduler = new(options);
    private readonly Dictionary<string, List<CachedInstance>> _cached = gpus.ToDictionary(g => g.Id, g => g.Cached.ToList());
    private readonly HashSet<string> _promised = [];
    private int _generation;

    public DateTimeOffset Now { get; private set; } = Start;

    public List<Claim> Claims { get; } = [];

    public List<Lease> Leases { get; } = [];

    public List<Reservation> Reservations { get; } = [];

    public IReadOnlyList<LeaseQueue> Queues => queues;

    public SchedulerOptions? Options => options;

    public SchedulerInput Input => new(Now, [.. gpus.Select(g => g with { Cached = [.. _cached[g.Id]] })], queues, [.. Claims], [.. Leases])
    {
        Reservations = [.. Reservations],
        Promised = [.. _promised],
    };

    public IEnumerable<CachedInstance> Cached => _cached.Values.SelectMany(c => c);

    public IReadOnlyList<LeasableGpu> Gpus => gpus;

    public Claim Claim(string id, string queue, string profile, int count = 1, int priority = 0, bool preemptible = true)
    {
        Claim claim = new(id, queue, new LeaseOwner(1000), [InstanceRequest.Of(profile, count)])
        {
            Created = Now,
            Priority = priority,
            IsPreemptible = preemptible,
        };
        Claims.Add(claim);
        return claim;
    }

    public void Pass(TimeSpan time) => Now += time;

    public Decisions Decide() => _scheduler.Decide(Input);

    /// <summary>Decides and does it.</summary>
    public Decisions Step()
    {
        foreach (Lease gone in Leases.Where(l => l.IsEnding).ToArray())
            Release(gone);
        Decisions decisions = Decide();
        Do(decisions);
        return decisions;
    }

    /// <summary>Steps until nothing is decided any more.</summary>
    public Decisions Settle(int most = 100)
    {
        for (int i = 0; i < most; i++)
        {
            Decisions decisions = Step();
            if (decisions is { Grants.Count: 0, Victims.Count: 0, Moves.Count: 0 } && !Leases.Exists(l => l.IsEnding))
                return decisions;
        }

        throw new InvalidOperationException($"Not settled after {most} decisions. The next: {Rules.Describe(Step())}");
    }

    public void Do(Decisions decisions)
    {
        foreach (Victim victim in decisions.Victims)
        {
            Leases[Leases.IndexOf(victim.Lease)] = victim.Lease with { IsEnding = true };
            _promised.Add(victim.For);
            if (requeues)
                Claims.Add(victim.Lease.Claim);
        }

        foreach (IGrouping<string, Move> moves in decisions.Moves.GroupBy(m => m.Lease.Id))
        {
            Lease lease = moves.First().Lease;
            int index = Leases.IndexOf(lease);
            List<InstancePlace> instances = [.. lease.Instances];
            foreach (Move move in moves)
            {
                instances[instances.IndexOf(move.From)] = move.To.Place;
                Enter(move.To);
            }

            Leases[index] = lease with { Instances = instances };
            InstancePlace[] old = [.. moves.Select(m => m.From)];
            Leases.Add(new Lease($"{lease.Id}-old{++_generation}", lease.Claim, old, lease.Since) { IsEnding = true });
            _promised.Add(moves.First().For);
        }

        foreach (ReservationState state in decisions.Reservations)
            Reservations[Reservations.IndexOf(state.Reservation)] = state.Reservation with { Kept = state.Kept };
        foreach (Grant grant in decisions.Grants)
        {
            foreach (GrantedInstance instance in grant.Instances)
                Enter(instance);
            Claims.Remove(grant.Claim);
            _promised.Remove(grant.Claim.Id);
            InstancePlace[] places = [.. grant.Instances.Select(i => i.Place)];
            Leases.Add(new Lease($"{grant.Claim.Id}#{++_generation}", grant.Claim, places, Now) { Reservation = grant.Reservation });
        }
    }

    public void Release(Lease lease)
    {
        Rules.Must(Leases.Remove(lease), () => "only what is there is released");
        foreach (InstancePlace place in lease.Instances)
            _cached[place.Gpu].Add(new CachedInstance(place, lease.Claim.Owner.Uid));
    }

    private void Enter(GrantedInstance instance)
    {
        foreach (CachedInstance evicted in instance.Evicted)
            Rules.Must(_cached[evicted.Place.Gpu].Remove(evicted), () => "only what is cached is destroyed");
        if (instance.IsCached)
        {
            int found = _cached[instance.Place.Gpu].RemoveAll(c => c.Place == instance.Place);
            Rules.Must(found == 1, () => "what is handed out again is cached");
        }
    }
}
