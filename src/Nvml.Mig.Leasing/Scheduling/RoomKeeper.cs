namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>
/// Keeps room for the first claim that has waited for long: those that are served after it do not get what comes free of that. Nobody is
/// told to go.
/// </summary>
internal sealed class RoomKeeper(Round round, Placing placing)
{
    /// <summary>How many GPUs are looked at: those with the fewest slices leased.</summary>
    private const int MaxLooks = 64;

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
        Item[] leased = [.. round.Leases.Where(l => !l.IsEnding).SelectMany(l => l.Items).Where(i => i is { IsThere: true, Role: Role.Held })
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

        // Those in the way too: nobody has told them to go, so the rest of their places is not about to come free for others.
        foreach (Item item in leased)
            round.Pool.Turn(item, Role.Held);
        // It does not have them: others of its queue may still claim their share elsewhere.
        Slices size = placed.Aggregate(default(Slices), (sum, p) => sum + p.Item.Kind.Size);
        round.Charge(claim.Queue, default(Slices) - size, claim.Claim.IsPreemptible);
        Note(claim, $"{round.Describe(placed)} is kept for it when what stands there has gone.");
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
            node.NonPreemptible += claim.Claim.IsPreemptible ? default : claim.Least;
            node.Allocated += claim.Reason == WaitReason.Limit ? claim.Least : default;
        }

        Note(claim, "what becomes free of that is kept for it.");
    }

    private void Note(ClaimEntry claim, string what)
    {
        HasKept = true;
        claim.IsPlaced = true;
        claim.Message += $" It has waited for long: {what}";
    }
}
