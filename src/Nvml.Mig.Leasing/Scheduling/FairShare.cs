namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>What a queue brings to the division of one resource among siblings, and what it gets.</summary>
internal struct Share
{
    /// <summary>The guaranteed quota; <see cref="long.MaxValue"/>: without end.</summary>
    public long Quota;

    /// <summary>What it can have and asks for: the smaller of limit and request.</summary>
    public long Requestable;

    /// <summary>What of its quota it keeps to itself even unused.</summary>
    public long Withheld;

    /// <summary>Its weight above the quota.</summary>
    public int Weight;

    /// <summary>Its tier above the quota.</summary>
    public int Priority;

    /// <summary>The result.</summary>
    public long Fair;
}

/// <summary>Weighted max-min fairness with a guaranteed quota, in whole units.</summary>
internal static class FairShare
{
    /// <summary>Divides one resource among siblings. They come the oldest first: between equals that decides.</summary>
    /// <param name="total">What there is.</param>
    /// <param name="queues">The siblings.</param>
    public static void Divide(long total, Span<Share> queues)
    {
        long rest = total;
        foreach (ref Share queue in queues)
        {
            queue.Fair = Math.Min(queue.Quota, queue.Requestable);
            rest -= Math.Max(queue.Fair, queue.Withheld);
        }

        // Quotas can promise more than there is: then nothing is left above them.
        Span<int> unsatisfied = queues.Length <= 64 ? stackalloc int[queues.Length] : new int[queues.Length];
        int? tier = NextTier(queues, null);
        while (rest > 0 && tier is { } priority)
        {
            int count = 0;
            for (int i = 0; i < queues.Length; i++)
            {
                if (queues[i].Priority == priority && queues[i].Weight > 0 && queues[i].Requestable > queues[i].Fair)
                    unsatisfied[count++] = i;
            }

            rest = Fill(rest, queues, unsatisfied[..count]);
            tier = NextTier(queues, priority);
        }
    }

    private static int? NextTier(ReadOnlySpan<Share> queues, int? below)
    {
        int? next = null;
        foreach (Share queue in queues)
        {
            if ((below is null || queue.Priority < below) && (next is null || queue.Priority > next))
                next = queue.Priority;
        }

        return next;
    }

    /// <summary>Water-filling within one tier. Returns what is left.</summary>
    private static long Fill(long rest, Span<Share> queues, Span<int> unsatisfied)
    {
        while (unsatisfied.Length > 0 && rest > 0)
        {
            long weights = 0;
            foreach (int i in unsatisfied)
                weights += queues[i].Weight;
            long given = 0;
            int left = 0;
            foreach (int i in unsatisfied)
            {
                long needs = queues[i].Requestable - queues[i].Fair;
                if ((Int128)needs * weights <= (Int128)rest * queues[i].Weight)
                {
                    queues[i].Fair += needs;
                    given += needs;
                }
                else
                {
                    unsatisfied[left++] = i;
                }
            }

            if (left == unsatisfied.Length)
                return rest - GiveOffers(rest, weights, queues, unsatisfied);
            rest -= given;
            unsatisfied = unsatisfied[..left];
        }

        return rest;
    }

    /// <summary>Nobody is satisfied by its offer: each gets the whole units of it, and the rest goes by largest remainder.</summary>
    private static long GiveOffers(long rest, long weights, Span<Share> queues, ReadOnlySpan<int> unsatisfied)
    {
        long given = 0;
        (long Remainder, int Index)[] remainders = new (long, int)[unsatisfied.Length];
        for (int n = 0; n < unsatisfied.Length; n++)
        {
            ref Share queue = ref queues[unsatisfied[n]];
            Int128 offer = (Int128)rest * queue.Weight;
            long whole = (long)(offer / weights);
            queue.Fair += whole;
            given += whole;
            remainders[n] = ((long)(offer % weights), unsatisfied[n]);
        }

        // Each needs more than its offer, so one unit more is within its request; and there are fewer units than queues.
        Array.Sort(remainders, (a, b) => a.Remainder != b.Remainder ? b.Remainder.CompareTo(a.Remainder) : a.Index.CompareTo(b.Index));
        for (int n = 0; given < rest; n++, given++)
            queues[remainders[n].Index].Fair++;
        return given;
    }
}
