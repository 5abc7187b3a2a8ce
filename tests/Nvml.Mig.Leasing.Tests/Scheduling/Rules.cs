using Nvml.Mig.Leasing.Scheduling;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>The promises of the scheduler, stated without its code.</summary>
internal static class Rules
{
    public static void Check(World world, SchedulerInput before, Decisions decisions)
    {
        foreach (Grant grant in decisions.Grants)
            CheckGrant(world, grant);
        Must(
            decisions.Grants.Select(g => g.Claim.Id).Concat(decisions.Waiting.Select(w => w.Claim.Id)).Order()
                .SequenceEqual(before.Claims.Select(c => c.Id).Order()),
            () => "each claim is granted or waits");
        Must(decisions.Waiting.Select((w, i) => w.Position == i + 1).All(right => right), () => "positions count from 1");
        Must(decisions.Waiting.All(w => w.Message != ""), () => "who waits is told why");
        Must(decisions.Victims.DistinctBy(v => v.Lease.Id).Count() == decisions.Victims.Count, () => "a victim is one once");
        Dictionary<string, Slices> has = world.Queues.ToDictionary(q => q.Name, q => Allocated(world, q.Name));
        foreach (Grant grant in decisions.Grants)
            Add(world, has, grant.Claim.Queue, Size(world, grant.Instances.Select(i => i.Place)));
        foreach (Victim victim in decisions.Victims)
        {
            Lease lease = victim.Lease;
            Must(lease.Claim.IsPreemptible && !lease.IsEnding, () => "only preemptible leases are victims");
            Must(lease.Since + lease.Claim.MinimumRuntime <= world.Now, () => "the minimum runtime protects");
            if (victim.Reason == VictimReason.Reclaim)
            {
                LeaseQueue queue = world.Queues.Single(q => q.Name == lease.Claim.Queue);
                Must(!has[queue.Name].IsWithin(queue.Quota), () => $"nobody at or below his quota loses a lease: {queue.Name} {lease.Id}");
            }

            Add(world, has, lease.Claim.Queue, default(Slices) - Size(world, lease.Instances));
        }

        foreach (Move move in decisions.Moves)
        {
            Must(move.Lease.Claim.IsRestartable, () => "only what is restartable is moved");
            Must(move.Lease.Since + move.Lease.Claim.MinimumRuntime <= world.Now, () => "the minimum runtime protects");
        }
    }

    public static void CheckWorld(World world)
    {
        foreach (LeasableGpu gpu in world.Gpus)
        {
            InstancePlace[] all =
            [
                .. world.Leases.SelectMany(l => l.Instances).Where(i => i.Gpu == gpu.Id),
                .. world.Cached.Select(c => c.Place).Where(p => p.Gpu == gpu.Id),
                .. gpu.Untouchable,
            ];
            for (int i = 0; i < all.Length; i++)
            {
                for (int j = 0; j < i; j++)
                {
                    (InstancePlace one, InstancePlace other) = (all[i], all[j]);
                    Must(!one.Placement.Overlaps(other.Placement), () => $"no two overlap: {one} and {other}");
                }
            }

            string spec = string.Join(',', all.Select(p => $"{p.ProfileId}:{p.Placement.Start}/none"));
            if (all.Length > 0)
                Must(Planner.CanPlan(GpuSnapshot.Empty(gpu.Geometry), LayoutSpec.Parse(spec)), () => $"a GPU has what it can: {spec}");
        }

        foreach (LeaseQueue queue in world.Queues)
        {
            Must(Allocated(world, queue.Name).IsWithin(queue.Limit), () => $"{queue.Name} stays within its limit");
            Must(
                Allocated(world, queue.Name, l => !l.Claim.IsPreemptible).IsWithin(queue.Quota),
                () => $"{queue.Name} has only its quota for good");
        }
    }

    public static void CheckReservations(World world, Decisions decisions, HashSet<string> kept)
    {
        foreach (ReservationState state in decisions.Reservations)
        {
            if (state.Missing == 0)
                kept.Add(state.Reservation.Id);
            else
                Must(!kept.Contains(state.Reservation.Id), () => $"what was kept once is kept until the end: {state}");
            Must(state.Used + state.Kept.Count + state.Missing >= state.Reservation.Count, () => $"all is accounted for: {state}");
            if (state.Missing > 0 || state.Reservation.Start > world.Now)
                continue;
            bool IsKept(InstancePlace place) => state.Kept.Any(k => k.Gpu == place.Gpu && k.Placement.Overlaps(place.Placement));
            foreach (Lease lease in world.Leases.Where(l => !l.IsEnding && l.Instances.Any(IsKept)))
            {
                Must(
                    state.Reservation.IsLendable && lease.Claim.IsPreemptible,
                    () => $"{lease.Id} stands in what {state.Reservation.Id} does not lend");
            }
        }
    }

    public static void CheckOrder(World world, SchedulerInput input, Decisions decisions, int seed)
    {
        Random random = new(seed);
        SchedulerInput shuffled = input with
        {
            Gpus = [.. Shuffle(random, input.Gpus).Select(g => g with { Cached = Shuffle(random, g.Cached) })],
            Queues = Shuffle(random, input.Queues),
            Claims = Shuffle(random, input.Claims),
            Leases = Shuffle(random, input.Leases),
            Reservations = Shuffle(random, input.Reservations),
        };
        string other = Describe(new Scheduler(world.Options).Decide(shuffled));
        Must(other == Describe(decisions), () => $"the order of the input does not matter:\n{Describe(decisions)}\n---\n{other}");
    }

    /// <summary>
    /// At rest nobody waits within his quota for one slice while another has more than his own and could be told to go: a slice fits
    /// wherever
    /// something goes.
    /// </summary>
    public static void CheckQuotas(World world, Decisions last)
    {
        foreach (Waiting waiting in last.Waiting)
        {
            Claim claim = waiting.Claim;
            if (claim.InstanceCount != 1 || claim.Requests[0].Profile != "1g.5gb" || claim.Gpus.Count > 0
                || world.Queues.Any(q => q.LendingLimit is not null))
            {
                continue;
            }

            // Slices are kept for a claim that has waited for longer, or a place for one of its queue.
            if (last.Waiting.Any(w => w.Position < waiting.Position && w.Message.Contains("is kept for it", StringComparison.Ordinal)
                && (w.Claim.Queue == claim.Queue || w.Message.EndsWith("of that is kept for it.", StringComparison.Ordinal))))
                continue;
            Slices slice = new(1, 1);
            LeaseQueue[] path = [.. Path(world, claim.Queue)];
            bool Has(LeaseQueue queue, Slices? most, Func<Lease, bool>? only = null) =>
                (Allocated(world, queue.Name, only) + slice).IsWithin(most);
            if (!path.All(q => Has(q, q.Quota) && Has(q, q.Limit)))
                continue;
            if (!claim.IsPreemptible && !path.All(q => Has(q, q.Quota, l => !l.Claim.IsPreemptible)))
                continue;
            foreach (Lease lease in world.Leases.Where(l => l.Claim.IsPreemptible && l.Since + l.Claim.MinimumRuntime <= world.Now))
            {
                if (!lease.Instances.Any(i => i.Gpu.StartsWith("A100", StringComparison.Ordinal)))
                    continue;
                LeaseQueue[] others = [.. Path(world, lease.Claim.Queue).Except(path)];
                Must(
                    others.Length == 0 || others.Any(q => Allocated(world, q.Name).IsWithin(q.Quota)),
                    () => $"nobody waits within his quota while others can go: {claim.Id} ({waiting.Message}) and {lease.Id}");
            }
        }
    }

    /// <summary>An assertion that costs nothing while it holds: these run millions of times.</summary>
    public static void Must(bool holds, Func<string> rule)
    {
        if (!holds)
            throw new InvalidOperationException($"Broken: {rule()}");
    }

    private static T[] Shuffle<T>(Random random, IReadOnlyList<T> list)
    {
        T[] copy = [.. list];
        random.Shuffle(copy);
        return copy;
    }

    public static string Describe(Decisions d) => string.Join('\n',
    [
        .. d.Grants.Select(g => g.ToString()),
        .. d.Victims.Select(v => $"{v.Lease.Id} {v.Reason} {v.For} {v.GoneBy} {v.Message}"),
        .. d.Moves.Select(m => $"{m.Lease.Id} {m.From} {m.To} {m.For}"),
        .. d.Waiting.Select(w => $"{w.Position} {w.Claim.Id} {w.Reason} {w.Message}"),
        .. d.Shares.Select(s => s.ToString()),
        .. d.Reservations.Select(r => $"{r.Reservation.Id} {string.Join(' ', r.Kept)} {r.Used} {r.Missing}"),
        $"{d.NextTime}",
    ]);

    private static void CheckGrant(World world, Grant grant)
    {
        Claim claim = grant.Claim;
        Must(grant.Instances.Count == claim.InstanceCount, () => "a gang is whole");
        int i = 0;
        foreach (InstanceRequest request in claim.Requests)
        {
            for (int n = 0; n < request.Count; n++, i++)
            {
                LeasableGpu gpu = world.Gpus.Single(g => g.Id == grant.Instances[i].Place.Gpu);
                GpuInstanceProfile profile = ProfileOf(gpu, grant.Instances[i].Place);
                Must(claim.Gpus.Count == 0 || claim.Gpus.Contains(gpu.Id), () => "it is on a GPU that was chosen");
                Must(claim.Models.Count == 0 || claim.Models.Contains(gpu.Model), () => "it is on a model that was chosen");
                Must(
                    request.Profile is { } name
                        ? profile.Name == name
                        : profile.MemoryMiB >= request.Need!.MemoryMiB && profile.DecoderCount >= request.Need.Decoders,
                    () => $"it is what was asked for: {request}, {profile}");
            }
        }
    }

    private static IEnumerable<LeaseQueue> Path(World world, string? queue)
    {
        while (queue is not null)
        {
            LeaseQueue found = world.Queues.Single(q => q.Name == queue);
            yield return found;
            queue = found.Parent;
        }
    }

    private static Slices Allocated(World world, string queue, Func<Lease, bool>? only = null) => world.Leases
        .Where(l => !l.IsEnding && (only is null || only(l)) && Path(world, l.Claim.Queue).Any(q => q.Name == queue))
        .Aggregate(default(Slices), (sum, l) => sum + Size(world, l.Instances));

    private static void Add(World world, Dictionary<string, Slices> has, string leaf, Slices size)
    {
        foreach (LeaseQueue queue in Path(world, leaf))
            has[queue.Name] += size;
    }

    private static Slices Size(World world, IEnumerable<InstancePlace> places) => places.Aggregate(default(Slices), (sum, place) =>
        sum + new Slices(ProfileOf(world.Gpus.Single(g => g.Id == place.Gpu), place).SliceCount, place.Placement.Size));

    private static GpuInstanceProfile ProfileOf(LeasableGpu gpu, InstancePlace place) =>
        gpu.Geometry.Profiles.Single(p => p.Profile.Id == place.ProfileId).Profile;
}
