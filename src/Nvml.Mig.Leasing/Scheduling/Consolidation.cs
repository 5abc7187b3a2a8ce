namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>An instance of a lease that gets another place.</summary>
internal sealed record Moved(LeaseEntry Lease, Item From, Placed To);

/// <summary>
/// Makes room by making instances of restartable leases again elsewhere. Each gets a place that is free now, so that nobody waits for
/// another who moves.
/// </summary>
internal sealed class Consolidation(Round round, Placing placing)
{
    /// <summary>How many places are tried for an instance, those with the fewest in the way first.</summary>
    private const int MaxTrials = 64;

    private readonly Dictionary<(int Group, int Kind), bool> _hasPlace = [];
    private List<LeaseEntry>? _candidates;

    private sealed record Option(
        int Gpu, Kind Kind, int Run, List<Item> InTheWay, (int Count, long Size, long Loss, int Gpu, int Run) Cost);

    /// <summary>Makes room for a claim, and gives it its places; null if that is not possible.</summary>
    public (Placed[] Placed, List<Moved> Moves)? TryMove(ClaimEntry claim)
    {
        int mark = round.Pool.Mark;
        Placed[] placed = new Placed[claim.Shapes.Length];
        List<Moved> moves = [];
        Slices size = default;
        foreach (int i in claim.LargeFirst)
        {
            Placed? one = placing.PlaceOne(claim.Shapes[i], claim, Reach.Depart, null) ?? MakeRoom(claim.Shapes[i], moves);
            if (one is null)
            {
                round.Pool.BackTo(mark);
                return null;
            }

            placed[i] = one;
            size += one.Item.Kind.Size;
        }

        if (placing.Refusal(claim.Queue, size, claim.Claim.IsPreemptible) is not null)
        {
            round.Pool.BackTo(mark);
            return null;
        }

        round.Charge(claim.Queue, size, claim.Claim.IsPreemptible);
        return (placed, moves);
    }

    private static bool IsOpen(LeaseEntry lease, DateTimeOffset now) =>
        lease.Lease.Claim.IsRestartable && !lease.IsEnding && !lease.IsMoved && !lease.IsReserved && lease.SafeUntil <= now;

    private Placed? MakeRoom(Shape shape, List<Moved> moves)
    {
        _candidates ??= [.. round.Leases.Where(l => IsOpen(l, round.Now)).Order(Comparer<LeaseEntry>.Create(VictimSearch.FirstToGo))];
        if (_candidates.Count == 0)
            return null;
        foreach (Option option in Options(shape).OrderBy(o => o.Cost).Take(MaxTrials))
        {
            int mark = round.Pool.Mark;
            foreach (Item item in option.InTheWay)
                round.Pool.Turn(item, Role.Ending);
            Placed one = placing.Take(option.Gpu, option.Kind, option.Run, Reach.Depart, null);
            List<Moved> made = [];
            foreach (Item item in option.InTheWay.OrderByDescending(i => i.Kind.Size.Memory))
            {
                if (NewPlace(item) is not { } to)
                    break;
                made.Add(new Moved(item.Lease!, item, to));
            }

            if (made.Count == option.InTheWay.Count)
            {
                foreach (LeaseEntry lease in made.Select(m => m.Lease).Where(l => !l.IsMoved).Distinct())
                {
                    lease.IsMoved = true;
                    round.Pool.OnUndo(() => lease.IsMoved = false);
                }

                moves.AddRange(made);
                return one;
            }

            round.Pool.BackTo(mark);
        }

        return null;
    }

    private Placed? NewPlace(Item item)
    {
        Claim claim = item.Lease!.Lease.Claim;
        Group group = round.Pool.GroupOf[item.Gpu];
        int[]? gpus = round.ShapeFor(InstanceRequest.Of(item.Kind.Profile.Name), claim.Models, claim.Gpus).Gpus;
        Shape same = new(item.Kind.Profile.Name, [[new Candidate(group, item.Kind)]], gpus);
        for (Reach reach = Reach.Free; reach <= Reach.Evict; reach++)
        {
            if (placing.Best(same.Tiers[0], same, reach) is { } found)
                return placing.Take(found.Gpu, found.Kind, found.Run, reach, item.Lease);
        }

        return null;
    }

    private List<Option> Options(Shape shape)
    {
        List<Option> options = [];
        HashSet<(int, int, int)> seen = [];
        _hasPlace.Clear();
        foreach (Item item in _candidates!.Where(l => IsOpen(l, round.Now)).SelectMany(l => l.Items))
        {
            if (!round.Pool.IsUsable(item.Gpu) || !shape.Takes(item.Gpu) || !CanGo(item))
                continue;
            foreach (Candidate candidate in shape.Tiers.SelectMany(t => t))
            {
                if (candidate.Group != round.Pool.GroupOf[item.Gpu])
                    continue;
                for (int run = 0; run < candidate.Kind.RunMasks.Length; run++)
                {
                    if ((candidate.Kind.RunMasks[run] & item.Mask) != 0 && seen.Add((item.Gpu, candidate.Kind.Index, run))
                        && OptionAt(item.Gpu, candidate.Kind, run) is { } option)
                    {
                        options.Add(option);
                    }
                }
            }
        }

        return options;
    }

    /// <summary>Whatever moves needs a free place elsewhere.</summary>
    private bool CanGo(Item item)
    {
        Group group = round.Pool.GroupOf[item.Gpu];
        if (!_hasPlace.TryGetValue((group.Index, item.Kind.Index), out bool can))
            _hasPlace[(group.Index, item.Kind.Index)] = can = round.Pool.FinderFor(group, item.Kind).Best(Reach.Evict) is not null;
        return can;
    }

    private Option? OptionAt(int gpu, Kind kind, int run)
    {
        List<Item> inTheWay = [];
        Board board = round.Pool.GroupOf[gpu].Board;
        uint left = 0;
        byte[] counts = new byte[board.Kinds.Length];
        foreach (Item there in round.Pool.Items[gpu])
        {
            if (there.Role != Role.Held)
                continue;
            if ((there.Mask & kind.RunMasks[run]) == 0)
            {
                left |= there.Mask;
                counts[there.Kind.Index]++;
                continue;
            }

            if (there.Lease is not { } lease || !IsOpen(lease, round.Now) || !CanGo(there))
                return null;
            inTheWay.Add(there);
        }

        View view = board.ViewOf(left, counts);
        if (inTheWay.Count == 0 || !view.Allows(kind.Index))
            return null;
        long size = inTheWay.Sum(i => i.Kind.Size.Memory);
        return new Option(gpu, kind, run, inTheWay, (inTheWay.Count, size, view.Loss(kind.Index, run), gpu, run));
    }
}
