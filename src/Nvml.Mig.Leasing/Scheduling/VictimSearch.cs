namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>Finds leases that can be taken back for a claim: few, of queues far above their share, of low priority, young ones.</summary>
internal sealed class VictimSearch(Round round, Placing placing)
{
    /// <summary>How many more GPUs are looked at for fewer victims once there is a way.</summary>
    private const int MoreGpus = 64;

    /// <summary>How often room is looked for if a claim wants several instances.</summary>
    private const int MaxTrials = 8;

    private readonly HashSet<LeaseEntry> _avoided = [];
    private Dictionary<QueueNode, List<LeaseEntry>>? _candidates;

    /// <summary>A place and the leases in its way.</summary>
    private sealed record Option(int Gpu, Kind Kind, int Run, List<LeaseEntry> Leases, (int Count, long Size, long Loss) Cost);

    /// <summary>Makes room for a claim, and gives it its places; null if the rules do not allow it.</summary>
    public (Placed[] Placed, List<LeaseEntry> Victims)? TryTake(ClaimEntry claim, VictimReason rule)
    {
        if (rule == VictimReason.Reclaim && !ReclaimRule.MayReclaim(claim.Queue, claim.Least, claim.Claim.IsPreemptible))
            return null;
        _avoided.Clear();
        for (int trial = 0; trial < MaxTrials; trial++)
        {
            List<LeaseEntry> victims = [];
            if (TryTake(claim, rule, victims) is { } placed)
                return (placed, victims);
            // The best lease for the first instance can be one beside which the rules allow none for the next.
            if (claim.Shapes.Length == 1 || victims.Count == 0)
                return null;
            _avoided.Add(victims[0]);
        }

        return null;
    }

    private Placed[]? TryTake(ClaimEntry claim, VictimReason rule, List<LeaseEntry> victims)
    {
        int mark = round.Pool.Mark;
        Placed[] placed = new Placed[claim.Shapes.Length];
        Slices size = default;
        foreach (int i in claim.LargeFirst)
        {
            Placed? one = placing.PlaceOne(claim.Shapes[i], claim, Reach.Depart, null);
            if (one is null && Find(claim, claim.Shapes[i], rule, victims) is { } option)
            {
                foreach (LeaseEntry victim in option.Leases)
                    round.End(victim);
                victims.AddRange(option.Leases);
                one = placing.Take(option.Gpu, option.Kind, option.Run, Reach.Depart, null);
            }

            if (one is null)
            {
                round.Pool.BackTo(mark);
                return null;
            }

            placed[i] = one;
            victims.AddRange(one.Victims);
            size += one.Item.Kind.Size;
        }

        if (!IsAllowed(claim, size, rule, victims))
        {
            round.Pool.BackTo(mark);
            return null;
        }

        round.Charge(claim.Queue, size, claim.Claim.IsPreemptible);
        return placed;
    }

    /// <summary>Leases that the rules of protection leave open to be taken, the first to go first.</summary>
    public static bool IsOpen(LeaseEntry lease, DateTimeOffset now) =>
        lease.Lease.Claim.IsPreemptible && !lease.IsEnding && !lease.IsMoved && !lease.IsReserved && lease.SafeUntil <= now;

    private bool IsAllowed(ClaimEntry claim, Slices size, VictimReason rule, List<LeaseEntry> victims)
    {
        if (placing.Refusal(claim.Queue, size, claim.Claim.IsPreemptible) is not null)
            return false;
        if (rule == VictimReason.Preempt)
        {
            IEnumerable<LeaseEntry> own = victims.Where(v => v.Queue == claim.Queue);
            return ReclaimRule.MayPreempt(claim.Queue, size, own.Aggregate(default(Slices), (sum, v) => sum + v.Size));
        }

        return ReclaimRule.MayReclaim(claim.Queue, size, claim.Claim.IsPreemptible)
            && ReclaimRule.Allows(claim.Queue, size, victims, victims.Count);
    }

    private Option? Find(ClaimEntry claim, Shape shape, VictimReason rule, List<LeaseEntry> before)
    {
        Option? best = null;
        HashSet<(int, int, int)> seen = [];
        HashSet<int> gpusSince = [];
        foreach (QueueNode queue in LosingQueues(claim, rule))
        {
            foreach (LeaseEntry lease in CandidatesOf(queue))
            {
                if (!MayTake(lease, claim, rule))
                    continue;
                foreach (Item item in lease.Items)
                {
                    Consider(item);
                    if (best is not null)
                        gpusSince.Add(item.Gpu);
                }

                if (best?.Cost.Count == 1 || gpusSince.Count > MoreGpus)
                    return best;
            }
        }

        return best;

        void Consider(Item item)
        {
            if (!round.Pool.IsUsable(item.Gpu) || !shape.Takes(item.Gpu))
                return;
            foreach (Candidate[] tier in shape.Tiers)
            {
                foreach (Candidate candidate in tier)
                {
                    if (candidate.Group != round.Pool.GroupOf[item.Gpu])
                        continue;
                    for (int run = 0; run < candidate.Kind.RunMasks.Length; run++)
                    {
                        if ((candidate.Kind.RunMasks[run] & item.Mask) != 0
                            && seen.Add((item.Gpu, candidate.Kind.Index, run))
                            && OptionAt(item.Gpu, candidate.Kind, run, claim, rule, before) is { } option
                            && (best is null || option.Cost.CompareTo(best.Cost) < 0))
                        {
                            best = option;
                        }
                    }
                }
            }
        }
    }

    private Option? OptionAt(int gpu, Kind kind, int run, ClaimEntry claim, VictimReason rule, List<LeaseEntry> before)
    {
        uint mask = kind.RunMasks[run];
        List<LeaseEntry> leases = [];
        foreach (Item there in round.Pool.Items[gpu])
        {
            if (there.Role != Role.Held || (there.Mask & mask) == 0)
                continue;
            if (there.Lease is not { } lease || !MayTake(lease, claim, rule))
                return null;
            if (!leases.Contains(lease))
                leases.Add(lease);
        }

        Board board = round.Pool.GroupOf[gpu].Board;
        View left = ViewWithout(gpu, board, leases);
        // The GPU can have only so many of a kind, and so many engines: then more must go than what stands in the way.
        IEnumerable<LeaseEntry> others = round.Pool.Items[gpu].Select(i => i.Lease).OfType<LeaseEntry>().Distinct();
        foreach (LeaseEntry more in others.OrderBy(l => l.Lease.Id, StringComparer.Ordinal))
        {
            if (left.Allows(kind.Index))
                break;
            if (leases.Contains(more) || !MayTake(more, claim, rule))
                continue;
            leases.Add(more);
            left = ViewWithout(gpu, board, leases);
        }

        if (!left.Allows(kind.Index) || (left.Mask & mask) != 0 || leases.Count == 0)
            return null;
        leases.Sort(FirstToGo);
        if (rule == VictimReason.Reclaim && !ReclaimRule.Allows(claim.Queue, claim.Least, [.. before, .. leases], before.Count))
            return null;
        long size = leases.Sum(l => l.Size.Memory + l.Size.Compute);
        return new Option(gpu, kind, run, leases, (leases.Count, size, left.Loss(kind.Index, run)));
    }

    private View ViewWithout(int gpu, Board board, List<LeaseEntry> leases)
    {
        uint mask = 0;
        byte[] counts = new byte[board.Kinds.Length];
        foreach (Item item in round.Pool.Items[gpu])
        {
            if (item.Role != Role.Held || (item.Lease is { } lease && leases.Contains(lease)))
                continue;
            mask |= item.Mask;
            counts[item.Kind.Index]++;
        }

        return board.ViewOf(mask, counts);
    }

    private bool MayTake(LeaseEntry lease, ClaimEntry claim, VictimReason rule) => IsOpen(lease, round.Now) && !_avoided.Contains(lease)
        && (rule == VictimReason.Reclaim
            ? lease.Queue != claim.Queue
            : lease.Queue == claim.Queue && lease.Lease.Claim.Priority < claim.Claim.Priority);

    /// <summary>The queues that can lose something to a claim, the most above its share first.</summary>
    private IEnumerable<QueueNode> LosingQueues(ClaimEntry claim, VictimReason rule)
    {
        if (rule == VictimReason.Preempt)
            return [claim.Queue];
        return round.Queues.Values
            .Where(q => q != claim.Queue && q.Children.Count == 0 && (q.Allocated.Compute > 0 || q.Allocated.Memory > 0)
                && ReclaimRule.MayLose(q, claim.Queue, claim.Least))
            .OrderByDescending(q => Ratio.Dominant(q.Allocated, q.Fair))
            .ThenBy(q => q.Queue.Priority)
            .ThenByDescending(q => q.Rank);
    }

    private List<LeaseEntry> CandidatesOf(QueueNode queue)
    {
        if (_candidates is null)
        {
            _candidates = [];
            foreach (LeaseEntry lease in round.Leases)
            {
                if (!IsOpen(lease, round.Now))
                    continue;
                if (!_candidates.TryGetValue(lease.Queue, out List<LeaseEntry>? of))
                    _candidates[lease.Queue] = of = [];
                of.Add(lease);
            }

            foreach (List<LeaseEntry> of in _candidates.Values)
                of.Sort(FirstToGo);
        }

        return _candidates.TryGetValue(queue, out List<LeaseEntry>? known) ? known : [];
    }

    /// <summary>Low priority first, then the youngest.</summary>
    public static int FirstToGo(LeaseEntry a, LeaseEntry b)
    {
        int order = a.Lease.Claim.Priority.CompareTo(b.Lease.Claim.Priority);
        if (order == 0)
            order = b.Lease.Since.CompareTo(a.Lease.Since);
        return order != 0 ? order : string.CompareOrdinal(a.Lease.Id, b.Lease.Id);
    }
}
