namespace Nvml.Mig.Monitoring;

/// <summary>Counts errors by their numbers.</summary>
internal sealed class XidCounts
{
    private readonly SortedDictionary<int, long> _counts = [];

    public void Add(int xid) => _counts[xid] = _counts.GetValueOrDefault(xid) + 1;

    public IReadOnlyList<XidCount> ToList() => [.. _counts.Select(c => new XidCount(c.Key, c.Value))];
}
