namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>
/// Keeps room for the first claim that has waited for long: claims that are served after it do not get the slices that come free there.
/// Nobody is told to go.
/// </summary>
internal sealed class RoomKeeper(Round round, Placing placing)
{
    /// <summary>How many GPUs are looked at: those with the fewest slices leased.</summary>
    private const int MaxLooks = 64;

    private readonly List<Item> _kept = [];
    private readonly List<(Item Cached, Item Covered)> _covered = [];
    private QueueNode? _queue;

    /// <summary>Whether it is kept for a claim already: for one at a time, or nothing would be left for the others.</summary>
    public bool HasKept { get; private set; }

    public void Keep(ClaimEntry claim)
    {
        if (claim.Reason is WaitReason.Limit or WaitReason.Quota)
            KeepSlices(claim);
        else if (claim.Reason is WaitReason.NoPlace or WaitReason.Protection)
            KeepPlaces(claim);
    }

    /// <summary>Keeps the place in which the fewest slices are leased.</summary>
    private void KeepPlaces(ClaimEntry claim)
    {
        int mark = round.Pool.Mark;
        Item[] leased = [.. round.Leases.Where(l => !l.IsEnding).SelectMany(l => l.Items)
            .Where(i => i is { IsThere: true, Role: Role.Held })
            .GroupBy(i => i.Gpu)
            .OrderBy(gpu => gpu.Sum(i => i.Kind.Size.Memory)).ThenBy(gpu => gpu.Key)
            .Take(MaxLooks)
            .SelectMany(gpu => gpu)];
        foreach (Item item in leased)
            round.Pool.Turn(item, Role.Ending);
        if (placing.TryPlace(claim, Reach.Depart) is not { } placed)
        {
            round.Pool.BackTo(mark);
            return;
        }

        // The leases stay what they are, and the claim has nothing yet that would count for its queue.
        string places = round.Describe(placed);
        round.Pool.BackTo(mark);
        foreach (Item place in placed.Select(p => p.Item))
        {
            foreach (Item cached in round.Pool.Items[place.Gpu].Where(i => IsUncovered(i) && (i.Mask & place.Mask) != 0).ToArray())
                _covered.Add((cached, round.Pool.Cover(cached)));
            Item kept = new(place.Gpu, place.Kind, place.Run, Role.Held);
            round.Pool.Add(kept);
            _kept.Add(kept);
        }

        Note(claim, $"{places} is kept for it when what stands there has gone.");

        static bool IsUncovered(Item item) => item is { Role: Role.Cached, IsCovered: false };
    }

    /// <summary>
    /// Keeps what the claim's queue may have, in all or in leases that cannot be taken back: smaller ones wait too. Not if the claim can
    /// never have so much.
    /// </summary>
    private void KeepSlices(ClaimEntry claim)
    {
        for (QueueNode node = claim.Queue; !node.IsRoot; node = node.Parent!)
        {
            if (!claim.Least.IsWithin(node.Queue.Limit) || !(claim.Claim.IsPreemptible || claim.Least.IsWithin(node.Queue.Quota)))
                return;
        }

        for (QueueNode node = claim.Queue; !node.IsRoot; node = node.Parent!)
        {
            node.KeptNonPreemptible = claim.Claim.IsPreemptible ? default : claim.Least;
            node.Kept = claim.Reason == WaitReason.Limit ? claim.Least : default;
        }

        Note(claim, "what becomes free of that is kept for it.");
    }

    /// <summary>
    /// Looks as if no places were kept, and gives them up if something is found: who has a right to what others hold goes before who has
    /// only waited. Not within one queue, where the order decides.
    /// </summary>
    public T? Without<T>(ClaimEntry claim, Func<T?> look)
        where T : struct
    {
        if (_kept.Count == 0 || claim.Queue == _queue)
            return null;
        int mark = round.Pool.Mark;
        foreach (Item kept in _kept)
            round.Pool.Remove(kept);
        foreach ((Item cached, Item rest) in _covered.Where(c => c.Covered.IsThere))
        {
            round.Pool.Remove(rest);
            round.Pool.Add(cached);
        }

        if (look() is not { } found)
        {
            round.Pool.BackTo(mark);
            return null;
        }

        _kept.Clear();
        return found;
    }

    private void Note(ClaimEntry claim, string what)
    {
        HasKept = true;
        _queue = claim.Queue;
        claim.IsPlaced = true;
        claim.Message += $" It has waited for long: {what}";
    }
}
