namespace Nvml.Mig.Planning;

/// <summary>Distributes compute instances over as few GPU instances of a profile as hold them, in every way that there is.</summary>
internal sealed class Sharing
{
    private readonly GeometryTables _geometry;
    private readonly int _kind;
    private readonly int[] _computeKinds;
    private readonly int[] _wanted;
    private readonly int _mostInside;

    public Sharing(GeometryTables geometry, int kind, IEnumerable<InstanceSpec> items)
    {
        _geometry = geometry;
        _kind = kind;
        (int Kind, int Count)[] wanted = [.. items
            .SelectMany(
                i =>
                    ComputeContent.From(
                        [new ComputeInstanceSpec(i.Shared!)], geometry, kind, i.ToString()).Slots.Select(s => (s.Kind, i.Count)))
            .GroupBy(w => w.Kind)
            .Select(g => (g.Key, g.Sum(w => w.Count)))
            .OrderByDescending(w => w.Key)];
        _computeKinds = [.. wanted.Select(w => w.Kind)];
        _wanted = [.. wanted.Select(w => w.Count)];
        _mostInside = geometry.Compute[kind]?.Row.Length ?? geometry.Profiles[kind].Profile.SliceCount;
    }

    /// <summary>The ways, those that fill the first GPU instance most first.</summary>
    public List<List<ComputeContent>> Distribute()
    {
        // More than can be is refused all the same: then it does not matter how they would be distributed.
        int most = Math.Min(Row.MaxLength, _geometry.Profiles[_kind].Profile.MaxInstances) + 1;
        for (int gpuInstances = 1; gpuInstances < most; gpuInstances++)
        {
            List<List<ComputeContent>> ways = [];
            Fill(gpuInstances, _wanted, null, [], ways);
            if (ways.Count > 0)
                return ways;
        }

        return [[.. Enumerable.Repeat(ContentOf([.. _wanted.Select((_, i) => i == 0 ? 1 : 0)]), most)]];
    }

    /// <summary>Fills one GPU instance after the other, none more than the one before: the order does not count.</summary>
    private void Fill(int gpuInstances, int[] left, int[]? before, List<ComputeContent> filled, List<List<ComputeContent>> ways)
    {
        if (gpuInstances == 0)
        {
            if (left.All(n => n == 0))
                ways.Add([.. filled]);
            return;
        }

        if (left.Sum() > gpuInstances * _mostInside)
            return;
        foreach (int[] inside in Contents(left, 0, new int[left.Length], 0))
        {
            if (inside.All(n => n == 0) || (before is not null && Compare(inside, before) > 0))
                continue;
            ComputeContent content = ContentOf(inside);
            if (!content.Fits(_geometry, _kind, out _))
                continue;
            filled.Add(content);
            Fill(gpuInstances - 1, [.. left.Zip(inside, (a, b) => a - b)], inside, filled, ways);
            filled.RemoveAt(filled.Count - 1);
        }
    }

    private IEnumerable<int[]> Contents(int[] left, int index, int[] inside, int total)
    {
        if (index == left.Length)
        {
            yield return [.. inside];
            yield break;
        }

        for (int n = Math.Min(left[index], _mostInside - total); n >= 0; n--)
        {
            inside[index] = n;
            foreach (int[] more in Contents(left, index + 1, inside, total + n))
                yield return more;
        }
    }

    private static int Compare(int[] a, int[] b)
    {
        int index = 0;
        while (index < a.Length && a[index] == b[index])
            index++;
        return index == a.Length ? 0 : a[index].CompareTo(b[index]);
    }

    private ComputeContent ContentOf(int[] inside) =>
        ComputeContent.From([.. inside.SelectMany((n, i) => Enumerable.Repeat(new RowSlot(_computeKinds[i], 1), n))], _geometry, _kind);
}
