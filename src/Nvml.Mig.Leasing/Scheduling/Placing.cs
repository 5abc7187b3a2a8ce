namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>Admission, and places for claims that nobody has to go for.</summary>
internal sealed class Placing(Round round)
{
    private readonly Holds _holds = new(round);

    private Pool Pool => round.Pool;

    /// <summary>What is kept for reservations.</summary>
    public Holds Holds => _holds;

    /// <summary>Why a queue cannot have this much more; null if it can.</summary>
    public (WaitReason Reason, string Message)? Refusal(QueueNode queue, Slices more, bool isPreemptible)
    {
        for (QueueNode node = queue; !node.IsRoot; node = node.Parent!)
        {
            Slices all = node.Allocated + node.Kept + more;
            if (!all.IsWithin(node.Queue.Limit))
                return (WaitReason.Limit, $"Queue {node.Queue.Name} would have {all}; its limit is {node.Queue.Limit}.");
            Slices fixedOnes = node.NonPreemptible + node.KeptNonPreemptible + more;
            if (!isPreemptible && !fixedOnes.IsWithin(node.Queue.Quota))
            {
                return (
                    WaitReason.Quota,
                    $"The claim is not preemptible, and queue {node.Queue.Name} would have {fixedOnes} in such leases; "
                        + $"its quota is {node.Queue.Quota}.");
            }
        }

        if (!round.Lends)
            return null;
        Slices withheld = default;
        for (QueueNode node = queue; !node.IsRoot; node = node.Parent!)
        {
            foreach (QueueNode sibling in node.Parent!.Children)
                withheld += sibling == node ? default : sibling.Withheld();
        }

        return (round.Root.Allocated + more + withheld).IsWithin(round.Root.Fair)
            ? null
            : (WaitReason.LendingLimit, $"Of what is free, other queues keep {withheld} to themselves.");
    }

    /// <summary>Gives all instances of a claim places, or none. The result has the order of the requests.</summary>
    public Placed[]? TryPlace(ClaimEntry claim, Reach reach)
    {
        Placed[]? placed = PlaceEachBest(claim, reach);
        if (placed is null && claim.Shapes.Length > 1)
            placed = new GangSearch(round, this, claim, reach).Find();
        if (placed is not null)
            round.Charge(claim.Queue, placed.Aggregate(default(Slices), (sum, p) => sum + p.Item.Kind.Size), claim.Claim.IsPreemptible);
        return placed;
    }

    private Placed[]? PlaceEachBest(ClaimEntry claim, Reach reach)
    {
        int mark = Pool.Mark;
        Placed[] placed = new Placed[claim.Shapes.Length];
        Slices size = default;
        foreach (int i in claim.LargeFirst)
        {
            if (PlaceOne(claim.Shapes[i], claim, reach, size) is not { } one)
            {
                Pool.BackTo(mark);
                return null;
            }

            placed[i] = one;
            size += one.Item.Kind.Size;
        }

        return placed;
    }

    /// <summary>Gives one instance the best place: what is reserved for it; else of the smallest kind what is cached, what is free, what
    /// cached ones make
    /// way for.</summary>
    /// <param name="shape">What will do.</param>
    /// <param name="claim">The claim; why it is refused goes there.</param>
    /// <param name="reach">How far to go.</param>
    /// <param name="before">What the claim has been given before; null: admission is checked by the caller.</param>
    public Placed? PlaceOne(Shape shape, ClaimEntry claim, Reach reach, Slices? before)
    {
        if (_holds.TryUse(this, shape, claim, reach, before) is { } reserved)
            return reserved;
        for (int step = 0; step < (reach == Reach.Depart ? 2 : 1); step++)
        {
            foreach (Candidate[] tier in shape.Tiers)
            {
                if (before is { } size && Refusal(claim.Queue, size + tier[0].Kind.Size, claim.Claim.IsPreemptible) is { } refusal)
                {
                    if (tier == shape.Tiers[0])
                        (claim.Reason, claim.Message) = refusal;
                    continue;
                }

                if (step == 1)
                {
                    if (Best(tier, shape, Reach.Depart) is { } later)
                        return Take(later.Gpu, later.Kind, later.Run, Reach.Depart, null);
                    continue;
                }

                if (BestCached(tier, shape, claim.Claim.Owner.Uid) is { } cached)
                    return TakeCached(cached, null);
                for (Reach how = Reach.Free; how <= Reach.Evict && how <= reach; how++)
                {
                    if (Best(tier, shape, how) is { } found)
                        return Take(found.Gpu, found.Kind, found.Run, how, null);
                }
            }
        }

        return null;
    }

    /// <summary>Hands out a cached instance.</summary>
    public Placed TakeCached(Item cached, LeaseEntry? lease)
    {
        Pool.Remove(cached);
        Item item = new(cached.Gpu, cached.Kind, cached.Run, Role.Held) { Lease = lease };
        Pool.Add(item);
        return new Placed(item, true, [], false);
    }

    /// <summary>Takes a place. What has to go by itself stays where it is until it has gone.</summary>
    public Placed Take(int gpu, Kind kind, int run, Reach reach, LeaseEntry? lease)
    {
        List<Item> leaving = Arrangement.Leaving(Pool.GroupOf[gpu].Board, Pool.Items[gpu], kind, run, reach);
        Item[] evicted = [.. leaving.Where(i => i.Role == Role.Cached)];
        foreach (Item item in evicted)
            Pool.Cover(item);
        Item taken = new(gpu, kind, run, Role.Held) { Lease = lease };
        Pool.Add(taken);
        return new Placed(taken, false, evicted, leaving.Count > evicted.Length);
    }

    public (int Gpu, Kind Kind, int Run)? Best(Candidate[] tier, Shape shape, Reach reach)
    {
        (int Gpu, Kind Kind, int Run)? best = null;
        (int, int, bool, long, int) least = default;
        foreach (Candidate candidate in tier)
        {
            if (shape.Gpus is null)
            {
                if (Pool.FinderFor(candidate.Group, candidate.Kind).Best(reach) is { } found)
                    Keep(candidate.Kind, found.Gpu, found.Offer, found.Opens);
                continue;
            }

            foreach (int gpu in shape.Gpus)
            {
                if (Pool.GroupOf[gpu] == candidate.Group && Pool.IsUsable(gpu))
                    Keep(candidate.Kind, gpu, Pool.ArrangementOf(gpu).OfferFor(candidate.Kind, reach), Pool.ArrangementOf(gpu).IsEmpty);
            }
        }

        return best;

        void Keep(Kind kind, int gpu, Offer offer, bool opens)
        {
            (int, int, bool, long, int) cost = (offer.Departing, offer.Evicted, opens, offer.Loss, gpu);
            if (!offer.IsNone && (best is null || cost.CompareTo(least) < 0))
                (best, least) = ((gpu, kind, offer.Run), cost);
        }
    }

    public Item? BestCached(Candidate[] tier, Shape shape, uint uid)
    {
        Item? best = null;
        (long, int, int) least = default;
        foreach (Candidate candidate in tier)
        {
            if (shape.Gpus is null)
            {
                if (round.CacheFor(candidate, uid).First is { } first)
                    Keep(first);
                continue;
            }

            foreach (int gpu in shape.Gpus.Where(Pool.IsUsable))
            {
                foreach (Item item in Pool.Items[gpu])
                {
                    if (item.Role == Role.Cached && item.Kind == candidate.Kind && round.CanReuse(item, uid))
                        Keep(item);
                }
            }
        }

        return best;

        void Keep(Item item)
        {
            (long, int, int) cost = (Pool.ArrangementOf(item.Gpu).Standing.Loss(item.Kind.Index, item.Run), item.Gpu, item.Run);
            if (best is null || cost.CompareTo(least) < 0)
                (best, least) = (item, cost);
        }
    }
}
