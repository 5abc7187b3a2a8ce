namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>Whether a claim may take from leases of other queues.</summary>
internal static class ReclaimRule
{
    /// <summary>
    /// Whether the claim's queue stays within its fair share with it; one that cannot be taken back also within its quota.
    /// </summary>
    public static bool MayReclaim(QueueNode queue, Slices claim, bool isPreemptible) =>
        (queue.Allocated + claim).IsWithin(queue.Fair) && (isPreemptible || (queue.NonPreemptible + claim).IsWithin(queue.Queue.Quota));

    /// <summary>
    /// Whether a claim may take from its own queue: no queue above it gets more than its fair share by that, or more above it than it
    /// has. What
    /// it gained beyond would be claimed back by others, and the one that lost would claim from these.
    /// </summary>
    /// <param name="queue">The queue, without the victims.</param>
    /// <param name="claim">What the claim takes.</param>
    /// <param name="lost">What the victims had.</param>
    public static bool MayPreempt(QueueNode queue, Slices claim, Slices lost)
    {
        for (QueueNode node = queue; !node.IsRoot; node = node.Parent!)
        {
            Slices before = node.Allocated + lost;
            Slices most = new(Math.Max(before.Compute, node.Fair.Compute), Math.Max(before.Memory, node.Fair.Memory));
            if (!(node.Allocated + claim).IsWithin(most))
                return false;
        }

        return true;
    }

    /// <summary>Whether a lease of a queue could be the first victim.</summary>
    public static bool MayLose(QueueNode loser, QueueNode claimant, Slices claim)
    {
        (QueueNode ours, QueueNode theirs) = BelowCommonAncestor(claimant, loser);
        return MayLose(ours, claim, loser, theirs, node => node.Leased);
    }

    /// <summary>
    /// Whether all of these leases may be taken for a claim, whichever of them is the last. In one order a queue could lose first what it
    /// has
    /// within its quota and then what it has above: it would claim that back, and so on without end.
    /// </summary>
    /// <param name="claimant">The claim's queue.</param>
    /// <param name="claim">What the claim takes.</param>
    /// <param name="victims">The leases.</param>
    /// <param name="ended">How many of them, from the first on, no longer count in their queues.</param>
    public static bool Allows(QueueNode claimant, Slices claim, IReadOnlyList<LeaseEntry> victims, int ended)
    {
        Dictionary<QueueNode, Slices> left = [];
        for (int i = 0; i < victims.Count; i++)
        {
            for (QueueNode? node = victims[i].Queue; node is not null; node = node.Parent)
                left[node] = left.GetValueOrDefault(node, node.Leased) - (i < ended ? default : victims[i].Size);
        }

        foreach (LeaseEntry victim in victims)
        {
            (QueueNode ours, QueueNode theirs) = BelowCommonAncestor(claimant, victim.Queue);
            if (!MayLose(ours, claim, victim.Queue, theirs, node => left[node] + victim.Size))
                return false;
        }

        return EndsFairly(claimant, claim, left);
    }

    /// <summary>
    /// Either the victim's side is above its fair share, or the claim's side stays within its quota and the victim's is above its own. And
    /// whatever the groups above have: nobody at or below his quota loses a lease.
    /// </summary>
    private static bool MayLose(QueueNode ours, Slices claim, QueueNode loser, QueueNode theirs, Func<QueueNode, Slices> left)
    {
        for (QueueNode node = loser; node != theirs.Parent; node = node.Parent!)
        {
            if (left(node).IsWithin(node.Queue.Quota))
                return false;
        }

        return !left(theirs).IsWithin(theirs.Fair)
            || ((ours.Allocated + claim).IsWithin(ours.Queue.Quota) && !left(theirs).IsWithin(theirs.Queue.Quota));
    }

    /// <summary>On no level the claim's side may end above its share and no less above it than a queue that lost.</summary>
    private static bool EndsFairly(QueueNode claimant, Slices claim, Dictionary<QueueNode, Slices> left)
    {
        for (QueueNode node = claimant; !node.IsRoot; node = node.Parent!)
        {
            Slices ours = left.GetValueOrDefault(node, node.Leased) + node.Promised + claim;
            foreach (QueueNode sibling in node.Parent!.Children)
            {
                if (sibling == node || !left.TryGetValue(sibling, out Slices theirs))
                    continue;
                for (int resource = 0; resource < Slices.ResourceCount; resource++)
                {
                    Ratio ratio = new(ours[resource], node.Fair[resource]);
                    if (ratio.IsAboveOne && ratio >= new Ratio(theirs[resource], sibling.Fair[resource]))
                        return false;
                }
            }
        }

        return true;
    }

    /// <summary>The ancestors of two queues just below their lowest common ancestor.</summary>
    private static (QueueNode, QueueNode) BelowCommonAncestor(QueueNode a, QueueNode b)
    {
        while (a.Parent != b.Parent)
        {
            if (a.Depth > b.Depth)
                a = a.Parent!;
            else if (b.Depth > a.Depth)
                b = b.Parent!;
            else
                (a, b) = (a.Parent!, b.Parent!);
        }

        return (a, b);
    }
}
