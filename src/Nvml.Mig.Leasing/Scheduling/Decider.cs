namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>
/// One decision: first all claims in their order get what is free or cached, then those that are left make room in the same order, by
/// moving, reclaiming and preempting.
/// </summary>
internal sealed class Decider
{
    /// <summary>How many orders are tried for those that others have gone for.</summary>
    private const int MaxTrials = 8;

    private readonly Round _round;
    private readonly Placing _placing;
    private readonly VictimSearch _search;
    private readonly Consolidation _consolidation;
    private readonly RoomKeeper _keeper;
    private readonly List<Grant> _grants = [];
    private readonly List<Victim> _victims = [];
    private readonly List<Move> _moves = [];
    private readonly HashSet<string> _hopeless = new(StringComparer.Ordinal);

    public Decider(Round round)
    {
        _round = round;
        _placing = new Placing(round);
        _search = new VictimSearch(round, _placing);
        _consolidation = new Consolidation(round, _placing);
        _keeper = new RoomKeeper(round, _placing);
    }

    public Decisions Decide()
    {
        QueueShare[] shares = [.. _round.Queues.Values.OrderBy(q => q.Rank)
            .Select(q => new QueueShare(q.Queue, q.Allocated, q.NonPreemptible, q.Requested, q.Fair))];
        foreach ((LeaseEntry lease, Reservation reservation) in _placing.Holds.Keep(_placing))
        {
            string message = $"Its room is reserved by {reservation.Id} from {Text(reservation.Start)} on.";
            AddVictim(lease, VictimReason.Reservation, reservation.Id, message);
        }

        // Who others were told to go for comes first: what they gave up is not for those who came later.
        HashSet<string> promised = [.. _round.Input.Promised];
        List<ClaimEntry> left = ServePromised([.. _round.Claims.Where(c => promised.Contains(c.Claim.Id))]);
        left.AddRange(Serve([.. _round.Claims.Where(c => !promised.Contains(c.Claim.Id))]));
        foreach (ClaimEntry claim in left.Where(c => !c.IsPlaced && c.Reason != WaitReason.NoSuchProfile))
            MakeRoom(claim);
        left.RemoveAll(c => c.IsGranted);
        return new Decisions(
            _grants,
            _victims,
            _moves,
            [.. left.Select((c, i) => new Waiting(c.Claim, i + 1, c.Reason, c.Message))],
            shares,
            [.. _placing.Holds.States()],
            NextTime(left));
    }

    /// <summary>
    /// Serves those that others have gone for. What they left has room for all of them, but not in any order: in the best place of one,
    /// another can have its only one. So large ones go first, and before them who would find nothing. Otherwise the others who came into
    /// the gaps would be told to go again, without end.
    /// </summary>
    private List<ClaimEntry> ServePromised(List<ClaimEntry> claims)
    {
        List<ClaimEntry> order = [.. claims.OrderByDescending(c => c.Least.Memory).ThenByDescending(c => c.Least.Compute)];
        for (int trial = 0; trial < Math.Min(order.Count, MaxTrials); trial++)
        {
            int mark = _round.Pool.Mark;
            int without = order.FindIndex(c => Find(c) is null && c != order[0]);
            _round.Pool.BackTo(mark);
            if (without < 0)
                break;
            order.Insert(0, order[without]);
            order.RemoveAt(without + 1);
        }

        order.RemoveAll(Place);
        return order;
    }

    /// <summary>Serves claims, each time the first of the queue whose turn it is. Returns those that wait, in that order.</summary>
    private List<ClaimEntry> Serve(List<ClaimEntry> claims)
    {
        Dictionary<QueueNode, Queue<ClaimEntry>> pending = [];
        Dictionary<QueueNode, ClaimEntry> next = [];
        foreach (ClaimEntry claim in claims)
        {
            if (!pending.TryGetValue(claim.Queue, out Queue<ClaimEntry>? of))
                pending[claim.Queue] = of = new Queue<ClaimEntry>();
            of.Enqueue(claim);
        }

        foreach (QueueNode leaf in pending.Keys.OrderBy(q => q.Rank))
            Advance(leaf);
        List<ClaimEntry> left = [];
        while (next.TryGetValue(_round.Root, out ClaimEntry? claim))
        {
            pending[claim.Queue].Dequeue();
            if (!Place(claim))
            {
                left.Add(claim);
                if (!_keeper.HasKept && _round.Now >= claim.Claim.Created + _round.Options.KeepRoomAfter)
                    ServeLast(claim);
            }

            Advance(claim.Queue);
        }

        return left;

        void Advance(QueueNode leaf)
        {
            if (pending[leaf].TryPeek(out ClaimEntry? first))
                next[leaf] = first;
            else
                next.Remove(leaf);
            for (QueueNode? node = leaf.Parent; node is not null; node = node.Parent)
            {
                QueueNode? best = null;
                foreach (QueueNode child in node.Children)
                {
                    if (next.TryGetValue(child, out ClaimEntry? its)
                        && (best is null || QueueNode.Compare(child, its.Least, best, next[best].Least) < 0))
                    {
                        best = child;
                    }
                }

                if (best is null)
                    next.Remove(node);
                else
                    next[node] = next[best];
            }
        }
    }

    private bool Place(ClaimEntry claim)
    {
        if (Array.Find(claim.Shapes, s => s.Tiers.Length == 0) is { } unknown)
        {
            (claim.Reason, claim.Message) = (WaitReason.NoSuchProfile, $"No GPU that the claim allows has {unknown.Name}.");
            return false;
        }

        if (_placing.Refusal(claim.Queue, claim.Least, claim.Claim.IsPreemptible) is { } refusal)
        {
            (claim.Reason, claim.Message) = refusal;
            return false;
        }

        (claim.Reason, claim.Message) = (WaitReason.NoPlace, "");
        return Find(claim) is { } placed && Settle(claim, placed);
    }

    /// <summary>For a claim that has waited for long: room is made, or else kept.</summary>
    private void ServeLast(ClaimEntry claim)
    {
        MakeRoom(claim);
        if (!claim.IsPlaced)
            _keeper.Keep(claim);
    }

    private Placed[]? Find(ClaimEntry claim) =>
        _placing.TryPlace(claim, Reach.Evict)
        ?? _placing.Holds.Borrow(claim, () => _placing.TryPlace(claim, Reach.Evict))
        ?? _placing.TryPlace(claim, Reach.Depart);

    /// <summary>Grants a claim what it was given, or lets it wait for what has to go. Returns whether it is granted.</summary>
    private bool Settle(ClaimEntry claim, Placed[] placed)
    {
        claim.IsPlaced = true;
        foreach (LeaseEntry lease in placed.SelectMany(p => p.Victims))
            AddVictim(lease, VictimReason.Reservation, claim.Claim.Id, $"Its room was lent; {claim.Claim.Id} has reserved it.");
        claim.IsGranted = !placed.Any(p => p.IsDeparting);
        if (claim.IsGranted)
        {
            HashSet<CachedInstance> destroyed = new(ReferenceEqualityComparer.Instance);
            string? reservation = placed.Select(p => p.Reservation).FirstOrDefault(r => r is not null);
            _grants.Add(new Grant(claim.Claim, [.. placed.Select(p => Granted(p, destroyed))], reservation));
            return true;
        }

        foreach (Placed one in placed)
        {
            for (QueueNode? node = claim.Queue; node is not null; node = node.Parent)
                node.Promised += one.Item.Kind.Size;
        }

        claim.Reason = WaitReason.Departure;
        claim.Message = $"It gets {_round.Describe(placed)} when what stands there has gone.";
        return false;
    }

    private void MakeRoom(ClaimEntry claim)
    {
        if (claim.Reason == WaitReason.NoPlace)
            claim.Message = $"There is no free place for {Wanted(claim)}.";
        if (_round.Now < claim.Claim.Created + _round.Options.VictimDelay)
        {
            if (claim.Reason != WaitReason.NoPlace)
                return;
            claim.Reason = WaitReason.Protection;
            claim.Message += $" Others are asked to go for it from {Text(claim.Claim.Created + _round.Options.VictimDelay)} on.";
            return;
        }

        // The same again fails again.
        string key = KeyOf(claim);
        if (_hopeless.Contains(key))
        {
            Explain(claim);
            return;
        }

        // What others were told to leave for an earlier claim can have room for this one too.
        if (_placing.Refusal(claim.Queue, claim.Least, claim.Claim.IsPreemptible) is null
            && _placing.TryPlace(claim, Reach.Depart) is { } placed)
        {
            Settle(claim, placed);
            return;
        }

        if (_consolidation.TryMove(claim) is { } moved)
        {
            HashSet<CachedInstance> destroyed = new(ReferenceEqualityComparer.Instance);
            foreach (Moved move in moved.Moves)
                AddMove(move, claim, destroyed);
            Settle(claim, moved.Placed);
            return;
        }

        foreach (VictimReason rule in (VictimReason[])[VictimReason.Reclaim, VictimReason.Preempt])
        {
            if ((_search.TryTake(claim, rule) ?? _keeper.Without(claim, () => _search.TryTake(claim, rule))) is not { } taken)
                continue;
            foreach (LeaseEntry lease in taken.Victims.Except(taken.Placed.SelectMany(p => p.Victims)))
            {
                string message = rule == VictimReason.Reclaim
                    ? $"Queue {claim.Queue.Queue.Name} claims its share back for {claim.Claim.Id}; "
                        + $"queue {lease.Queue.Queue.Name} has more than its own ({lease.Queue.Fair})."
                    : $"{claim.Claim.Id} has the priority {claim.Claim.Priority}, above {lease.Lease.Claim.Priority}.";
                AddVictim(lease, rule, claim.Claim.Id, message);
            }

            Settle(claim, taken.Placed);
            return;
        }

        _hopeless.Add(key);
        Explain(claim);
    }

    private void Explain(ClaimEntry claim)
    {
        if (claim.Reason != WaitReason.NoPlace)
            return;
        QueueNode queue = claim.Queue;
        if (!ReclaimRule.MayReclaim(queue, claim.Least, claim.Claim.IsPreemptible))
        {
            claim.Message +=
                $" Queue {queue.Queue.Name} would have {queue.Allocated + claim.Least} with it; its fair share is {queue.Fair}.";
        }
        else if (_round.Leases.Exists(l => IsProtectedFrom(l, claim)))
        {
            claim.Reason = WaitReason.Protection;
            claim.Message += " Leases that might go for it are within their minimum runtime.";
        }
        else
        {
            claim.Message += " No lease can be taken back for it.";
        }
    }

    /// <summary>What counts for whether room can be made: a claim that is equal in it fares equally.</summary>
    private string KeyOf(ClaimEntry entry)
    {
        Claim claim = entry.Claim;
        string key = $"{entry.Queue.Rank} {claim.Priority} {claim.IsPreemptible} {string.Join(';', claim.Requests)}";
        if (claim.Models.Count > 0 || claim.Gpus.Count > 0)
            key += $" {string.Join(';', claim.Models)} {string.Join(';', claim.Gpus)}";
        return _round.Input.Reservations.Count > 0 ? $"{key} {claim.Owner}" : key;
    }

    private bool IsProtected(LeaseEntry lease) =>
        !lease.IsEnding && lease.SafeUntil > _round.Now && (lease.Lease.Claim.IsPreemptible || lease.Lease.Claim.IsRestartable);

    /// <summary>Whether the minimum runtime of a lease is why it was not looked at for a claim.</summary>
    private bool IsProtectedFrom(LeaseEntry lease, ClaimEntry claim) =>
        IsProtected(lease)
        && (lease.Lease.Claim.IsRestartable || lease.Queue != claim.Queue || lease.Lease.Claim.Priority < claim.Claim.Priority);

    /// <summary>The next time at which a delay, a protection or a reservation begins or ends.</summary>
    private DateTimeOffset? NextTime(List<ClaimEntry> left)
    {
        IEnumerable<DateTimeOffset> times =
            _round.Input.Reservations.SelectMany(r => (DateTimeOffset[])[r.Start - _round.Lead, r.Start, r.End]);
        if (left.Exists(c => !c.IsPlaced && c.Reason != WaitReason.NoSuchProfile))
        {
            times = times
                .Concat(left.Where(c => !c.IsPlaced).Select(c => c.Claim.Created + _round.Options.VictimDelay))
                .Concat(_round.Options.KeepRoomAfter is { } after ? left.Where(c => !c.IsPlaced).Select(c => c.Claim.Created + after) : [])
                .Concat(_round.Leases.Where(IsProtected).Select(l => l.SafeUntil));
        }

        DateTimeOffset? next = null;
        foreach (DateTimeOffset time in times)
        {
            if (time > _round.Now && (next is null || time < next))
                next = time;
        }

        return next;
    }

    /// <summary>What is created now, and what is destroyed for it: that is free then, as far as it is not taken.</summary>
    private GrantedInstance Granted(Placed placed, HashSet<CachedInstance> destroyed)
    {
        CachedInstance[] evicted = [.. placed.Evicted.Select(e => e.Cached!).Where(destroyed.Add)];
        foreach (Item rest in _round.Pool.Items[placed.Item.Gpu].Where(i => i.Cached is not null && destroyed.Contains(i.Cached)).ToArray())
            _round.Pool.Remove(rest);
        _placing.Holds.Forget(destroyed);
        return new GrantedInstance(_round.PlaceOf(placed.Item), placed.Item.Kind.Profile.Name, placed.IsCached, evicted);
    }

    private void AddVictim(LeaseEntry lease, VictimReason reason, string @for, string message) =>
        _victims.Add(new Victim(lease.Lease, reason, @for, _round.Now + _round.Options.Notice, _round.Now + _round.Lead, message));

    private void AddMove(Moved move, ClaimEntry claim, HashSet<CachedInstance> destroyed) =>
        _moves.Add(new Move(
            move.Lease.Lease,
            _round.PlaceOf(move.From),
            Granted(move.To, destroyed),
            claim.Claim.Id,
            _round.Now + _round.Options.Notice,
            _round.Now + _round.Lead,
            $"It can be started again elsewhere, and {claim.Claim.Id} needs the room."));

    private static string Wanted(ClaimEntry claim) => string.Join(", ", claim.Claim.Requests);

    private static string Text(DateTimeOffset time) => time.ToString("u", System.Globalization.CultureInfo.InvariantCulture);
}
