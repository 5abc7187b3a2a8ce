namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>
/// Finds places for several instances where the best for each by itself leaves none for the others: every arrangement is looked at, one GPU
/// of each that are alike, until the effort is spent. In a small pool that is all of them.
/// </summary>
internal sealed class GangSearch(Round round, Placing placing, ClaimEntry claim, Reach reach)
{
    /// <summary>How many places are looked at.</summary>
    private const int MaxEffort = 20_000;

    private readonly Placed[] _placed = new Placed[claim.Shapes.Length];
    private int _effort;

    public Placed[]? Find() => Find(0, default) ? _placed : null;

    private bool Find(int index, Slices size)
    {
        if (index == claim.LargeFirst.Length)
            return true;
        int i = claim.LargeFirst[index];
        foreach (Func<Placed?> choice in Choices(claim.Shapes[i], size))
        {
            int mark = round.Pool.Mark;
            if (choice() is { } placed)
            {
                _placed[i] = placed;
                if (Find(index + 1, size + placed.Item.Kind.Size))
                    return true;
            }

            round.Pool.BackTo(mark);
            if (_effort > MaxEffort)
                return false;
        }

        return false;
    }

    private IEnumerable<Func<Placed?>> Choices(Shape shape, Slices size)
    {
        yield return () => placing.Holds.TryUse(placing, shape, claim, reach, size);
        foreach (Candidate[] tier in shape.Tiers)
        {
            if (placing.Refusal(claim.Queue, size + tier[0].Kind.Size, claim.Claim.IsPreemptible) is not null)
                continue;
            if (placing.BestCached(tier, shape, claim.Claim.Owner.Uid) is { } cached)
                yield return () => placing.TakeCached(cached, null);
            foreach ((int gpu, Kind kind, Offer offer, Reach how) in Places(tier, shape))
                yield return () => placing.Take(gpu, kind, offer.Run, how, null);
        }
    }

    private (int Gpu, Kind Kind, Offer Offer, Reach How)[] Places(Candidate[] tier, Shape shape)
    {
        List<(int Gpu, Kind Kind, Offer Offer, Reach How)> places = [];
        foreach (Candidate candidate in tier)
        {
            IEnumerable<int> gpus = shape.Gpus?.Where(g => round.Pool.GroupOf[g] == candidate.Group && round.Pool.IsUsable(g))
                ?? round.Pool.Different(candidate.Group);
            foreach (int gpu in gpus)
            {
                for (int run = 0; run < candidate.Kind.RunMasks.Length; run++)
                {
                    _effort++;
                    for (Reach how = Reach.Free; how <= reach; how++)
                    {
                        Offer offer = round.Pool.ArrangementOf(gpu).OfferAt(candidate.Kind, run, how);
                        if (offer.IsNone)
                            continue;
                        places.Add((gpu, candidate.Kind, offer, how));
                        break;
                    }
                }
            }
        }

        return
        [
            .. places.OrderBy(p =>
                (p.Offer.Departing, p.Offer.Evicted, round.Pool.ArrangementOf(p.Gpu).IsEmpty, p.Offer.Loss, p.Gpu, p.Offer.Run)),
        ];
    }
}
