namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>What is kept for reservations, and who can have it.</summary>
internal sealed class Holds(Round round)
{
    private readonly List<Hold> _holds = [];
    private readonly Dictionary<Reservation, (int Used, int Missing)> _counts = [];

    /// <summary>Keeps places for all reservations that have not ended. Returns the leases that have to go for it.</summary>
    public List<(LeaseEntry Lease, Reservation For)> Keep(Placing placing)
    {
        List<(LeaseEntry, Reservation)> victims = [];
        Reservation[] running = [.. round.Input.Reservations
            .Where(r => r.End > round.Now).OrderBy(r => r.Start).ThenBy(r => r.Id, StringComparer.Ordinal)];
        foreach (Reservation reservation in running)
            _counts[reservation] = (UsedBy(reservation).Count, 0);

        // Exact places cannot give way, so they come first; then what was kept before, then the rest, large instances first.
        foreach (Reservation reservation in running)
            KeepPlaces(reservation);
        (Reservation Reservation, Shape Shape)[] byProfile = [.. running
            .Where(r => r.Profile is not null)
            .Select(r => (r, ShapeOf(r)))
            .OrderByDescending(r => r.Item2.Least.Memory).ThenByDescending(r => r.Item2.Least.Compute)];
        foreach ((Reservation reservation, Shape shape) in byProfile)
            KeepAgain(reservation, shape);
        foreach ((Reservation reservation, Shape shape) in byProfile)
            KeepMore(placing, reservation, shape);
        foreach (Hold hold in _holds.ToArray())
            MoveOffLeases(placing, hold);
        foreach (Hold hold in _holds)
            ClearPlace(hold, victims);
        return victims;
    }

    public IEnumerable<ReservationState> States() => _counts
        .OrderBy(c => c.Key.Start).ThenBy(c => c.Key.Id, StringComparer.Ordinal)
        .Select(c => new ReservationState(
            c.Key,
            [.. _holds.Where(h => h.Reservation == c.Key && !h.IsUsed).Select(h => round.PlaceOf(h.Item))],
            c.Value.Used + _holds.Count(h => h.Reservation == c.Key && h.IsUsed),
            c.Value.Missing));

    /// <summary>Gives a claim a place that is reserved for it; null if there is none. A claim uses one reservation.</summary>
    public Placed? TryUse(Placing placing, Shape shape, ClaimEntry claim, Reach reach, Slices? before)
    {
        foreach (Hold hold in _holds.OrderByDescending(h => _holds.Count(o => !o.IsUsed && o.Reservation == h.Reservation)).ToArray())
        {
            Reservation of = hold.Reservation;
            if (hold.IsUsed || (claim.Uses ?? of) != of || of.Start > round.Now || !IsFor(of, claim.Claim) || !Has(shape, hold.Item))
                continue;
            if (before is { } size && placing.Refusal(claim.Queue, size + hold.Item.Kind.Size, claim.Claim.IsPreemptible) is { } refusal)
            {
                (claim.Reason, claim.Message) = refusal;
                continue;
            }

            int mark = round.Pool.Mark;
            Open(hold);
            // What is kept over leases is not there yet: it takes nothing from this one.
            Item[] later = [.. _holds
                .Where(h => h.Item.IsThere && h.Item.Gpu == hold.Item.Gpu
                    && round.Pool.Items[h.Item.Gpu].Exists(i => i.Lease is not null && (i.Mask & h.Item.Mask) != 0))
                .Select(h => h.Item)];
            foreach (Item item in later)
                round.Pool.Remove(item);
            if (TakeExactly(placing, hold.Item, claim, reach) is { } placed)
            {
                foreach (Item item in later)
                    round.Pool.Add(item);
                Reservation? usedBefore = claim.Uses;
                (hold.IsUsed, claim.Uses) = (true, of);
                round.Pool.OnUndo(() => (hold.IsUsed, claim.Uses) = (false, usedBefore));
                return placed with { Reservation = hold.Reservation.Id };
            }

            round.Pool.BackTo(mark);
        }

        return null;
    }

    /// <summary>
    /// Lets a claim have what others have reserved, as far as they lend it or will not need it before the claim can be told to go.
    /// </summary>
    public Placed[]? Borrow(ClaimEntry claim, Func<Placed[]?> place)
    {
        Hold[] lent = [.. _holds.Where(h => !h.IsUsed && MayBorrow(claim.Claim, h.Reservation))];
        if (lent.Length == 0)
            return null;
        int mark = round.Pool.Mark;
        foreach (Hold hold in lent)
            Open(hold);
        // A lease within a reservation is protected, so it does not borrow besides.
        if (place() is not { } placed || placed.Any(p => p.Reservation is not null))
        {
            round.Pool.BackTo(mark);
            return null;
        }

        foreach (Hold hold in lent.Where(h => !h.IsUsed))
            Close(hold);
        return placed;
    }

    private static IEnumerable<InstancePlace> InOrder(IReadOnlyList<InstancePlace> places) =>
        places.OrderBy(p => p.Gpu, StringComparer.Ordinal).ThenBy(p => p.Placement.Start).ThenBy(p => p.ProfileId);

    private void KeepPlaces(Reservation reservation)
    {
        List<Item> used = UsedBy(reservation);
        foreach (InstancePlace place in InOrder(reservation.Places))
        {
            Item item = round.ItemAt(place, Role.Held);
            if (used.Exists(u => u.Gpu == item.Gpu && u.Kind == item.Kind && u.Run == item.Run))
                continue;
            if (!round.Pool.IsUsable(item.Gpu) || _holds.Exists(h => h.Item.Gpu == item.Gpu && (h.Item.Mask & item.Mask) != 0))
            {
                AddMissing(reservation);
                continue;
            }

            if (InTheWay(item, reservation) is null)
                AddMissing(reservation);
            Put(reservation, item);
        }
    }

    private void KeepAgain(Reservation reservation, Shape shape)
    {
        int wanted = reservation.Count - UsedBy(reservation).Count;
        foreach (InstancePlace place in InOrder(reservation.Kept))
        {
            if (wanted <= 0)
                return;
            if (!round.HasGpu(place.Gpu))
                continue;
            Item item = round.ItemAt(place, Role.Held);
            if (!round.Pool.IsUsable(item.Gpu) || !Has(shape, item) || InTheWay(item, reservation) is null)
                continue;
            Put(reservation, item);
            wanted--;
        }
    }

    /// <summary>
    /// What stands over leases that would have to go is kept elsewhere if there is room: nobody else loses anything by that.
    /// </summary>
    private void MoveOffLeases(Placing placing, Hold hold)
    {
        if (hold.Reservation.Profile is null || InTheWayOf(hold) is not { Count: > 0 })
            return;
        Shape shape = ShapeOf(hold.Reservation);
        int mark = round.Pool.Mark;
        Open(hold);
        _holds.Remove(hold);
        if (FindFree(placing, shape) is { } free)
        {
            Put(hold.Reservation, free);
            return;
        }

        round.Pool.BackTo(mark);
        _holds.Add(hold);
    }

    private void KeepMore(Placing placing, Reservation reservation, Shape shape)
    {
        int has = UsedBy(reservation).Count + _holds.Count(h => h.Reservation == reservation);
        for (int i = has; i < reservation.Count; i++)
        {
            if ((FindFree(placing, shape) ?? FindAmongLeases(shape, reservation)) is { } item)
                Put(reservation, item);
            else
                AddMissing(reservation);
        }
    }

    private List<Item> UsedBy(Reservation reservation) =>
        [.. round.Leases.Where(l => !l.IsEnding && l.Lease.Reservation == reservation.Id).SelectMany(l => l.Items)
            .Where(i => reservation.Profile is null || Has(ShapeOf(reservation), i))];

    private Shape ShapeOf(Reservation reservation) =>
        round.ShapeFor(InstanceRequest.Of(reservation.Profile!), reservation.Model is { } model ? [model] : [], []);

    private bool Has(Shape shape, Item item) =>
        shape.Takes(item.Gpu) && shape.Tiers.Any(t => t.Any(c => c.Kind == item.Kind && c.Group == round.Pool.GroupOf[item.Gpu]));

    /// <summary>Cached instances that are destroyed do not come back.</summary>
    public void Forget(IReadOnlySet<CachedInstance> destroyed)
    {
        foreach (Hold hold in _holds)
            hold.Covered.RemoveAll(c => destroyed.Contains(c.Cached.Cached!));
    }

    private static bool IsFor(Reservation reservation, Claim claim) =>
        (reservation.Queue is { } queue && queue == claim.Queue)
        || (reservation.Owner is { } owner && owner.Uid == claim.Owner.Uid && (owner.Label is null || owner.Label == claim.Owner.Label));

    private bool MayBorrow(Claim claim, Reservation reservation)
    {
        DateTimeOffset needed = reservation.Start - round.Lead;
        if (!claim.IsPreemptible)
            return false;
        return round.Now < needed
            ? round.Now + claim.MinimumRuntime <= needed
            : reservation.IsLendable && claim.MinimumRuntime <= TimeSpan.Zero;
    }

    /// <summary>Whether a lease will go when the reservation needs its room.</summary>
    private bool WillGo(LeaseEntry lease, Reservation reservation)
    {
        DateTimeOffset needed = reservation.Start - round.Lead;
        return lease.Lease.Claim.IsPreemptible && !lease.IsEnding && !lease.IsReserved
            && lease.SafeUntil <= (needed > round.Now ? needed : round.Now);
    }

    private static Item? FindFree(Placing placing, Shape shape)
    {
        foreach (Candidate[] tier in shape.Tiers)
        {
            for (Reach reach = Reach.Free; reach <= Reach.Depart; reach++)
            {
                if (placing.Best(tier, shape, reach) is { } found)
                    return new Item(found.Gpu, found.Kind, found.Run, Role.Held);
            }
        }

        return null;
    }

    /// <summary>The place where the fewest leases have to go.</summary>
    private Item? FindAmongLeases(Shape shape, Reservation reservation)
    {
        (int, int, int) least = default;
        Item? best = null;
        foreach (Candidate candidate in shape.Tiers.SelectMany(t => t))
        {
            for (int gpu = 0; gpu < round.Gpus.Length; gpu++)
            {
                if (round.Pool.GroupOf[gpu] != candidate.Group || !round.Pool.IsUsable(gpu))
                    continue;
                for (int run = 0; run < candidate.Kind.RunMasks.Length; run++)
                {
                    Item item = new(gpu, candidate.Kind, run, Role.Held);
                    if (InTheWay(item, reservation) is { } leases && (best is null || (leases.Count, gpu, run).CompareTo(least) < 0))
                        (best, least) = (item, (leases.Count, gpu, run));
                }
            }
        }

        return best;
    }

    private List<LeaseEntry>? InTheWay(Item item, Reservation reservation) => InTheWay(item, lease => WillGo(lease, reservation));

    /// <summary>
    /// The leases that have to go for an instance, from its place and, where the GPU can have no more of its kind beside them, from
    /// elsewhere; null if anything stands there that will not go.
    /// </summary>
    private List<LeaseEntry>? InTheWay(Item item, Func<LeaseEntry, bool> goes)
    {
        List<LeaseEntry> leases = [];
        List<LeaseEntry> others = [];
        Board board = round.Pool.GroupOf[item.Gpu].Board;
        Item[] held = [.. round.Pool.Items[item.Gpu].Where(i => i.Role == Role.Held && i.IsThere)];
        Item[] kept = [.. _holds.Where(h => h.Item.Gpu == item.Gpu && h.Item.IsThere).Select(h => h.Item)];
        foreach (Item there in held)
        {
            if ((there.Mask & item.Mask) == 0)
            {
                if (there.Lease is not null && goes(there.Lease))
                    others.Add(there.Lease);
                continue;
            }

            if (there.Lease is not { } lease || !goes(lease))
                return null;
            Leave(lease);
        }

        foreach (LeaseEntry lease in others.OrderBy(l => l.Lease.Id, StringComparer.Ordinal))
        {
            if (Allows())
                break;
            Leave(lease);
        }

        return Allows() ? leases : null;

        // Where places are kept over leases, now the leases count, and later what is kept. Both times there must be enough for one more.
        bool Allows() =>
            AllowsBeside(held.Where(h => !kept.Contains(h) || !held.Any(l => l.Lease is not null && (l.Mask & h.Mask) != 0)))
            && AllowsBeside(held.Where(h => kept.Contains(h) || !kept.Any(k => (k.Mask & h.Mask) != 0)));

        bool AllowsBeside(IEnumerable<Item> items)
        {
            byte[] counts = new byte[board.Kinds.Length];
            foreach (Item there in items.Where(i => i.Lease is null || !leases.Contains(i.Lease)))
                counts[there.Kind.Index]++;
            return board.AllowsOneMore(counts, item.Kind.Index);
        }

        void Leave(LeaseEntry lease)
        {
            if (!leases.Contains(lease))
                leases.Add(lease);
        }
    }

    private List<LeaseEntry>? InTheWayOf(Hold hold)
    {
        hold.Item.IsThere = false;
        List<LeaseEntry>? leases = InTheWay(hold.Item, hold.Reservation);
        hold.Item.IsThere = true;
        return leases;
    }

    private void Put(Reservation reservation, Item item)
    {
        Hold hold = new(reservation, item);
        Close(hold);
        _holds.Add(hold);
    }

    /// <summary>Tells leases to go from what is not lent, in time.</summary>
    private void ClearPlace(Hold hold, List<(LeaseEntry, Reservation)> victims)
    {
        if (hold.Reservation.IsLendable || round.Now < hold.Reservation.Start - round.Lead)
            return;
        foreach (LeaseEntry lease in InTheWayOf(hold) ?? [])
        {
            round.End(lease);
            victims.Add((lease, hold.Reservation));
        }
    }

    private void Open(Hold hold)
    {
        round.Pool.Remove(hold.Item);
        foreach ((Item cached, Item standIn) in hold.Covered)
        {
            if (!standIn.IsThere)
                continue; // destroyed for somebody else
            round.Pool.Remove(standIn);
            round.Pool.Add(cached);
        }

        Set(hold, []);
    }

    private void Close(Hold hold)
    {
        // Those in the place, and those that the GPU cannot have beside what is kept.
        Item item = hold.Item;
        List<Item> covered =
            Arrangement.Leaving(round.Pool.GroupOf[item.Gpu].Board, round.Pool.Items[item.Gpu], item.Kind, item.Run, Reach.Evict);
        Set(hold, [.. covered.Select(cached => (cached, round.Pool.Cover(cached)))]);
        round.Pool.Add(hold.Item);
    }

    private void Set(Hold hold, (Item, Item)[] covered)
    {
        (Item, Item)[] before = [.. hold.Covered];
        Write(covered);
        round.Pool.OnUndo(() => Write(before));

        void Write((Item, Item)[] list)
        {
            hold.Covered.Clear();
            hold.Covered.AddRange(list);
        }
    }

    private Placed? TakeExactly(Placing placing, Item place, ClaimEntry claim, Reach reach)
    {
        Item? same = round.Pool.Items[place.Gpu]
            .Find(i => i.Role == Role.Cached && i.Kind == place.Kind && i.Run == place.Run && round.CanReuse(i, claim.Claim.Owner.Uid));
        if (same is not null)
            return placing.TakeCached(same, null);
        for (Reach how = Reach.Free; how <= reach; how++)
        {
            if (!round.Pool.ArrangementOf(place.Gpu).OfferAt(place.Kind, place.Run, how).IsNone)
                return placing.Take(place.Gpu, place.Kind, place.Run, how, null);
        }

        if (reach != Reach.Depart)
            return null;
        if (InTheWay(place, lease => VictimSearch.IsOpen(lease, round.Now)) is not { } victims)
            return null;
        foreach (LeaseEntry lease in victims)
            round.End(lease);
        return round.Pool.ArrangementOf(place.Gpu).OfferAt(place.Kind, place.Run, Reach.Depart).IsNone
            ? null
            : placing.Take(place.Gpu, place.Kind, place.Run, Reach.Depart, null) with { Victims = victims };
    }

    private void AddMissing(Reservation reservation) =>
        _counts[reservation] = (_counts[reservation].Used, _counts[reservation].Missing + 1);
}
