namespace Nvml.Mig.Monitoring;

/// <summary>Counts errors by their numbers, the last one last.</summary>
internal sealed class XidCounts
{
    private readonly List<XidCount> _counts = [];

    public void Add(int xid)
    {
        int at = _counts.FindIndex(c => c.Xid == xid);
        long count = at < 0 ? 0 : _counts[at].Count;
        if (at >= 0)
            _counts.RemoveAt(at);
        _counts.Add(new XidCount(xid, count + 1));
    }

    public IReadOnlyList<XidCount> ToList() => [.. _counts];
}
