using System.Numerics;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>
/// Fair share another way: by the water level, in fractions. A queue is satisfied if what it needs is no more than level times weight; the
/// level is the one at which the tier takes exactly what is left. It is found by trying every number of satisfied queues.
/// </summary>
internal static class SlowFairShare
{
    public static long[] Divide(long total, IReadOnlyList<Share> queues)
    {
        long[] fair = [.. queues.Select(q => Math.Min(q.Quota, q.Requestable))];
        long rest = total - queues.Select((q, i) => Math.Max(fair[i], q.Withheld)).Sum();
        foreach (int priority in queues.Select(q => q.Priority).Distinct().OrderDescending())
        {
            int[] tier = [.. Enumerable.Range(0, queues.Count).Where(i => queues[i].Priority == priority && queues[i].Weight > 0)];
            if (rest <= 0)
                break;
            rest -= Pour(rest, tier, queues, fair);
        }

        return fair;
    }

    private static long Pour(long rest, int[] tier, IReadOnlyList<Share> queues, long[] fair)
    {
        long Need(int i) => queues[i].Requestable - fair[i];
        int[] thirsty = [.. tier.Where(i => Need(i) > 0)];
        if (thirsty.Sum(Need) <= rest)
        {
            long all = thirsty.Sum(Need);
            foreach (int i in thirsty)
                fair[i] = queues[i].Requestable;
            return all;
        }

        // Those with the least need for their weight are satisfied first: level = (rest - needs of k satisfied) / weights of the others.
        int[] order = [.. thirsty.OrderBy(i => new Fraction(Need(i), queues[i].Weight), Fraction.BySize)];
        for (int k = 0; k < order.Length; k++)
        {
            BigInteger left = rest - order.Take(k).Sum(Need);
            BigInteger weights = order.Skip(k).Sum(i => (long)queues[i].Weight);
            Fraction level = new(left, weights);
            if (left < 0 || new Fraction(Need(order[k]), queues[order[k]].Weight).Compare(level) <= 0)
                continue;
            foreach (int i in order.Take(k))
                fair[i] += Need(i);
            (int Index, BigInteger Whole, BigInteger Remainder)[] offers =
                [.. order.Skip(k).Order().Select(i => (i, left * queues[i].Weight / weights, left * queues[i].Weight % weights))];
            BigInteger units = left;
            foreach ((int i, BigInteger whole, _) in offers)
            {
                fair[i] += (long)whole;
                units -= whole;
            }

            foreach ((int i, _, _) in offers.OrderByDescending(o => o.Remainder).Take((int)units))
                fair[i]++;
            return rest;
        }

        throw new InvalidOperationException("There is a level.");
    }

    private readonly record struct Fraction(BigInteger Over, BigInteger Under)
    {
        public static readonly Comparer<Fraction> BySize = Comparer<Fraction>.Create((a, b) => a.Compare(b));

        public int Compare(Fraction other) => (Over * other.Under).CompareTo(other.Over * Under);
    }
}
