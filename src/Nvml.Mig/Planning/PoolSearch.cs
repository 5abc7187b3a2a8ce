using System.Globalization;

namespace Nvml.Mig.Planning;

/// <summary>Instances that one GPU takes in, and where.</summary>
/// <param name="Counts">How many of each kind of request.</param>
/// <param name="Instances">The instances.</param>
/// <param name="Room">The room that is left.</param>
internal sealed record PoolFilling(int[] Counts, (PoolRequest Request, int Kind, Run Run)[] Instances, long Room);

/// <summary>
/// Shares out a list of instances over GPUs, exactly: finds places for all on the fewest GPUs that were empty, or that there are none.
/// </summary>
/// <remarks>
/// First, for each class of GPUs, everything that one of them can take in beside its instances: only the numbers of instances matter
/// for what the other GPUs must take. Then one GPU after the other takes as much as it can of what is left, in every way that is not less
/// than another. The rest for a number of GPUs is looked at once, and not at all if it is more than they can take of anything.
/// </remarks>
internal sealed class PoolSearch
{
    /// <summary>Of more than these not all arrangements are looked at.</summary>
    public const int MaxGpus = 256;

    /// <summary>About a second.</summary>
    private const int MaxSteps = 300_000;

    private readonly PoolRequest[] _kinds;
    private readonly int[] _wanted;
    private readonly PoolClass[] _classes;
    private readonly Dictionary<string, PoolFilling>[] _fillings;

    /// <summary>The fillings that no other exceeds, for each class.</summary>
    private readonly PoolFilling[][] _largest;

    /// <summary>The weights of requests, in ways that each give a bound: alone, by number, by size, by compute slices.</summary>
    private readonly long[][] _weights;
    private readonly long[][] _mostOfClass;

    private readonly HashSet<string> _failed = new(StringComparer.Ordinal);
    private readonly List<(PoolClass Class, PoolFilling Filling)> _chosen = [];
    private int _steps;

    public PoolSearch(IReadOnlyList<PoolRequest> requests, IReadOnlyList<PoolClass> classes)
    {
        (_kinds, _wanted) = (
            [.. requests.Distinct().OrderBy(r => r.ToString(), StringComparer.Ordinal)],
            [.. requests.GroupBy(r => r).OrderBy(g => g.Key.ToString(), StringComparer.Ordinal).Select(g => g.Count())]);
        _classes = [.. classes.OrderBy(c => c.Occupied == 0).ThenBy(c => c.Index)];
        _fillings = [.. _classes.Select(FillingsOf)];
        _largest = [.. _fillings.Select(Largest)];
        _weights =
        [
            .. Enumerable.Range(0, _kinds.Length).Select(only => _kinds.Select((_, kind) => kind == only ? 1L : 0).ToArray()),
            [.. _kinds.Select(_ => 1L)],
            [.. _kinds.Select(
                r =>
                    Smallest(
                        r,
                        (c, kind) =>
                            c.Geometry.Profiles[kind].Placements.Select(p => p.Size * 64L / c.Geometry.Geometry.MemorySliceCount)
                                .DefaultIfEmpty().Min()))],
            [.. _kinds.Select(r => Smallest(r, (c, kind) => c.Geometry.Profiles[kind].Profile.SliceCount))],
        ];
        _mostOfClass = [.. _weights.Select(weight => _largest.Select(fillings => fillings.Max(f => Weigh(weight, f.Counts))).ToArray())];
    }

    /// <summary>Whether all was looked at, so that what was not found is not there.</summary>
    public bool IsComplete { get; private set; } = true;

    /// <summary>Finds places for all that open the fewest GPUs, and no more than this; null if there are none.</summary>
    public IReadOnlyList<(PoolClass Class, PoolFilling Filling)>? Find(int maxOpened)
    {
        int empty = _classes.Where(c => c.Occupied == 0).Sum(c => c.Count);
        if (!IsComplete || _classes.Length == 0 || !CanTake(0, _classes[0].Count, empty, _wanted))
            return null;
        if (_classes.Sum(c => c.Count) > MaxGpus)
        {
            IsComplete = false;
            return null;
        }

        for (int opened = 0; opened <= Math.Min(empty, maxOpened); opened++)
        {
            if (Share(0, _classes[0].Count, opened, _wanted))
                return _chosen;
        }

        return null;
    }

    /// <summary>Why there are no places, as a sentence.</summary>
    public string Explain()
    {
        int count = _classes.Sum(c => c.Count);
        string gpus = count == 1 ? "1 GPU" : string.Create(CultureInfo.InvariantCulture, $"{count} GPUs");
        for (int kind = 0; kind < _kinds.Length; kind++)
        {
            long most = Enumerable.Range(0, _classes.Length).Sum(c => _mostOfClass[kind][c] * _classes[c].Count);
            if (IsComplete && most < _wanted[kind])
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"{_wanted[kind]} {_kinds[kind]} are wanted; {most} at most fit on {gpus} beside the present instances.");
        }

        string all = string.Join(", ", _kinds.Select((kind, i) => string.Create(CultureInfo.InvariantCulture, $"{_wanted[i]} {kind}")));
        return IsComplete
            ? $"{all} do not fit together on {gpus} beside the present instances."
            : $"No arrangement of {all} on {gpus} was found. There may be one: not all could be looked at.";
    }

    private static long Weigh(long[] weight, int[] counts)
    {
        long sum = 0;
        for (int i = 0; i < counts.Length; i++)
            sum += weight[i] * counts[i];
        return sum;
    }

    private long Smallest(PoolRequest request, Func<PoolClass, int, long> size) =>
        _classes.Where(c => c.KindOf(request) >= 0).Select(c => size(c, c.KindOf(request))).DefaultIfEmpty().Min();

    /// <summary>Whether the GPUs that are left could take as much as is left, as far as weights can tell.</summary>
    private bool CanTake(int at, int gpus, int opens, int[] left)
    {
        for (int weight = 0; weight < _weights.Length; weight++)
        {
            long most = 0;
            for (int i = at; i < _classes.Length; i++)
            {
                int count = i == at ? gpus : _classes[i].Count;
                most += _mostOfClass[weight][i] * (_classes[i].Occupied == 0 ? Math.Min(count, opens) : count);
            }

            if (most < Weigh(_weights[weight], left))
                return false;
        }

        return true;
    }

    /// <summary>Shares out what is left over the GPUs that are left of a class, and the classes behind it.</summary>
    private bool Share(int at, int gpus, int opens, int[] left)
    {
        if (left.AsSpan().IndexOfAnyExcept(0) < 0)
            return true;
        if (at < _classes.Length && (gpus == 0 || (_classes[at].Occupied == 0 && opens == 0)))
            return Share(at + 1, at + 1 < _classes.Length ? _classes[at + 1].Count : 0, opens, left);
        if (at == _classes.Length || !CanTake(at, gpus, opens, left))
            return false;
        string key = $"{at} {gpus} {opens} {string.Join(',', left)}";
        if (_failed.Contains(key))
            return false;
        if (++_steps > MaxSteps)
        {
            IsComplete = false;
            return false;
        }

        foreach (PoolFilling filling in Useful(at, left))
        {
            _chosen.Add((_classes[at], filling));
            if (Share(at, gpus - 1, opens - (_classes[at].Occupied == 0 ? 1 : 0), [.. left.Zip(filling.Counts, (a, b) => a - b)]))
                return true;
            _chosen.RemoveAt(_chosen.Count - 1);
        }

        // A GPU that has instances takes what it can; of the empty ones others may do better.
        if (_classes[at].Occupied == 0 && Share(at, 0, opens, left))
            return true;
        if (IsComplete)
            _failed.Add(key);
        return false;
    }

    /// <summary>The fillings that a GPU can take of the rest, the most first.</summary>
    private IEnumerable<PoolFilling> Useful(int at, int[] left) =>
        _largest[at]
            .Select(f => _fillings[at][Key([.. f.Counts.Zip(left, Math.Min)])])
            .Distinct()
            .OrderByDescending(f => Weigh(_weights[^2], f.Counts))
            .ThenByDescending(f => f.Room);

    private PoolFilling[] Largest(Dictionary<string, PoolFilling> fillings) =>
        [.. fillings.Values.Where(f => !Enumerable.Range(0, _kinds.Length).Any(kind =>
        {
            int[] more = [.. f.Counts];
            more[kind]++;
            return fillings.ContainsKey(Key(more)); // what fits also fits with one less
        }))];

    /// <summary>Everything that a GPU can take in, each in the way that leaves the most room.</summary>
    private Dictionary<string, PoolFilling> FillingsOf(PoolClass of)
    {
        Dictionary<string, PoolFilling> fillings = new(StringComparer.Ordinal);
        HashSet<(int Request, int From, uint Taken, string Counts)> seen = [];
        int[] kinds = [.. _kinds.Select(of.KindOf)];
        int[] wanted = new int[_kinds.Length];
        int[] present = [.. of.Counts];
        List<(PoolRequest Request, int Kind, Run Run)> placed = [];
        Fill(0, 0, of.Occupied);
        return fillings;

        void Fill(int request, int from, uint taken)
        {
            string key = Key(wanted);
            if (!seen.Add((request, from, taken, key)))
                return;
            if (++_steps > MaxSteps)
                IsComplete = false;
            if (request == _kinds.Length || !IsComplete)
            {
                long room = of.RoomWith(present, taken);
                if (!fillings.TryGetValue(key, out PoolFilling? known) || known.Room < room)
                    fillings[key] = new PoolFilling([.. wanted], [.. placed], room);
                return;
            }

            Fill(request + 1, 0, taken);
            int kind = kinds[request];
            if (kind < 0 || wanted[request] == _wanted[request] || !of.AllowsOneMore(kind, present))
                return;
            Run[] runs = of.Geometry.Memory.Shapes[of.Geometry.Memory.ShapeOf[kind]];
            for (int i = from; i < runs.Length; i++)
            {
                if ((taken & runs[i].Mask) != 0)
                    continue;
                wanted[request]++;
                present[kind]++;
                placed.Add((_kinds[request], kind, runs[i]));
                Fill(request, i + 1, taken | runs[i].Mask);
                placed.RemoveAt(placed.Count - 1);
                present[kind]--;
                wanted[request]--;
            }
        }
    }

    private static string Key(int[] counts) => string.Join(',', counts);
}
