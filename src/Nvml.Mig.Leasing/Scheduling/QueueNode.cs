namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>A queue with what was measured of it. The root stands for the whole pool.</summary>
internal sealed class QueueNode(LeaseQueue queue, QueueNode? parent)
{
    public LeaseQueue Queue => queue;

    public QueueNode? Parent => parent;

    public int Depth { get; } = parent is null ? 0 : parent.Depth + 1;

    /// <summary>The oldest first, then by name.</summary>
    public List<QueueNode> Children { get; } = [];

    /// <summary>Position among all queues, by age and name.</summary>
    public int Rank { get; set; }

    public Slices Allocated { get; set; }

    /// <summary>What of that is only promised: claims that wait for others to go.</summary>
    public Slices Promised { get; set; }

    /// <summary>What its leases have.</summary>
    public Slices Leased => Allocated - Promised;

    /// <summary>The part of its limit that is kept for a claim that has waited for long: others are not admitted into it.</summary>
    public Slices Kept { get; set; }

    /// <summary>The part of its quota that is kept for such a claim that cannot be taken back.</summary>
    public Slices KeptNonPreemptible { get; set; }

    public Slices NonPreemptible { get; set; }

    public Slices Requested { get; set; }

    public Slices Fair { get; set; }

    /// <summary>The root is no queue: nothing is asked of it.</summary>
    public bool IsRoot => parent is null;

    public bool IsAboveFair => !Allocated.IsWithin(Fair);

    public bool IsAboveQuota => !Allocated.IsWithin(queue.Quota);

    public void DivideAmongChildren()
    {
        if (Children.Count == 0)
            return;
        Share[] shares = new Share[Children.Count];
        long[] fair = new long[Children.Count * Slices.ResourceCount];
        for (int resource = 0; resource < Slices.ResourceCount; resource++)
        {
            for (int i = 0; i < shares.Length; i++)
            {
                QueueNode child = Children[i];
                long quota = child.Queue.Quota?[resource] ?? long.MaxValue;
                shares[i] = new Share
                {
                    Quota = quota,
                    Requestable = Math.Min(child.Queue.Limit?[resource] ?? long.MaxValue, child.Requested[resource]),
                    Withheld = child.Queue.LendingLimit is { } lent && quota != long.MaxValue ? Math.Max(0, quota - lent[resource]) : 0,
                    Weight = child.Queue.Weight,
                    Priority = child.Queue.Priority,
                };
            }

            FairShare.Divide(Fair[resource], shares);
            for (int i = 0; i < shares.Length; i++)
                fair[(i * Slices.ResourceCount) + resource] = shares[i].Fair;
        }

        for (int i = 0; i < Children.Count; i++)
        {
            Children[i].Fair = new Slices(fair[i * Slices.ResourceCount], fair[(i * Slices.ResourceCount) + 1]);
            Children[i].DivideAmongChildren();
        }
    }

    /// <summary>What this queue and those below it keep to themselves beyond what they have.</summary>
    public Slices Withheld()
    {
        Slices below = default;
        foreach (QueueNode child in Children)
            below += child.Withheld();
        if (queue.LendingLimit is not { } lent || queue.Quota is not { } quota)
            return below;
        Slices own = quota - lent - Allocated;
        return new Slices(Math.Max(own.Compute, below.Compute), Math.Max(own.Memory, below.Memory));
    }

    /// <summary>The order in which two siblings get their next claim served; negative: this one first.</summary>
    public static int Compare(QueueNode a, Slices nextOfA, QueueNode b, Slices nextOfB)
    {
        int order = a.IsAboveFair.CompareTo(b.IsAboveFair);
        if (order == 0)
            order = (b.Allocated + nextOfB).IsWithin(b.Queue.Quota).CompareTo((a.Allocated + nextOfA).IsWithin(a.Queue.Quota));
        if (order == 0)
            order = b.Queue.Priority.CompareTo(a.Queue.Priority);
        if (order == 0)
            order = a.HoldsWithoutShare.CompareTo(b.HoldsWithoutShare);
        if (order == 0)
            order = Ratio.Dominant(a.Allocated + nextOfA, a.Fair).CompareTo(Ratio.Dominant(b.Allocated + nextOfB, b.Fair));
        if (order == 0)
            order = Ratio.Dominant(a.Allocated, a.Fair).CompareTo(Ratio.Dominant(b.Allocated, b.Fair));
        if (order == 0)
            order = (a.Fair.Compute, a.Fair.Memory).CompareTo((b.Fair.Compute, b.Fair.Memory));
        return order != 0 ? order : a.Rank.CompareTo(b.Rank);
    }

    private bool HoldsWithoutShare => (Fair.Compute == 0 && Allocated.Compute > 0) || (Fair.Memory == 0 && Allocated.Memory > 0);
}

/// <summary>An amount in relation to a share, exactly. Something of nothing is without end, nothing of nothing is 0.</summary>
internal readonly record struct Ratio(long Amount, long Share) : IComparable<Ratio>
{
    public bool IsAboveOne => Amount > Share;

    public int CompareTo(Ratio other)
    {
        if (Share == 0 || other.Share == 0)
            return Class.CompareTo(other.Class) is not 0 and var order ? order : Class == 1 ? 0 : CompareFinite(other);
        return CompareFinite(other);
    }

    /// <summary>The largest over the resources.</summary>
    public static Ratio Dominant(Slices amount, Slices share)
    {
        Ratio compute = new(amount.Compute, share.Compute);
        Ratio memory = new(amount.Memory, share.Memory);
        return compute.CompareTo(memory) >= 0 ? compute : memory;
    }

    private int Class => Share == 0 && Amount > 0 ? 1 : 0;

    private int CompareFinite(Ratio other) =>
        ((Int128)Amount * Math.Max(1, other.Share)).CompareTo((Int128)other.Amount * Math.Max(1, Share));

    public static bool operator <(Ratio left, Ratio right) => left.CompareTo(right) < 0;

    public static bool operator >(Ratio left, Ratio right) => left.CompareTo(right) > 0;

    public static bool operator <=(Ratio left, Ratio right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Ratio left, Ratio right) => left.CompareTo(right) >= 0;
}
