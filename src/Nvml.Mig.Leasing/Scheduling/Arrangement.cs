namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>How far placing may go.</summary>
internal enum Reach
{
    /// <summary>Free places only.</summary>
    Free,

    /// <summary>Cached instances may be destroyed.</summary>
    Evict,

    /// <summary>Places of what is going may be taken, to wait for.</summary>
    Depart,
}

/// <summary>A place for a kind on GPUs of an arrangement; none if <see cref="Run"/> is negative.</summary>
internal readonly record struct Offer(int Run, int Departing, int Evicted, long Loss)
{
    public static readonly Offer None = new(-1, 0, 0, 0);

    public bool IsNone => Run < 0;

    public (int Departing, int Evicted, long Loss) Cost => (Departing, Evicted, Loss);
}

/// <summary>
/// What stands on a GPU, by kind, place and role: GPUs that are alike in this get the same answers, so that they are found once.
/// </summary>
internal sealed class Arrangement
{
    private readonly Board _board;
    private readonly (int Kind, uint Mask, Role Role)[] _parts;
    private readonly View[] _bases;
    private readonly Offer?[] _offers;

    public Arrangement(Board board, IEnumerable<Item> items)
    {
        _board = board;
        _parts = [.. items.Select(i => (i.Kind.Index, i.Mask, i.Role))];
        Standing = ViewOf(r => r == Role.Held);
        _bases = [ViewOf(_ => true), ViewOf(r => r != Role.Cached), Standing];
        _offers = new Offer?[3 * board.Kinds.Length];
    }

    /// <summary>What stays.</summary>
    public View Standing { get; }

    public bool IsEmpty => _parts.Length == 0;

    /// <summary>The best place for a kind.</summary>
    public Offer OfferFor(Kind kind, Reach reach)
    {
        ref Offer? known = ref _offers[((int)reach * _board.Kinds.Length) + kind.Index];
        known ??= Find(kind, reach);
        return known.Value;
    }

    /// <summary>What a place costs; none if it cannot be had.</summary>
    public Offer OfferAt(Kind kind, int run, Reach reach)
    {
        View view = _bases[(int)reach];
        uint mask = kind.RunMasks[run];
        if ((view.Mask & mask) != 0 || !view.Allows(kind.Index))
            return Offer.None;
        if (reach == Reach.Free)
            return new Offer(run, 0, 0, view.Loss(kind.Index, run));
        Span<byte> counts = stackalloc byte[_board.Kinds.Length];
        int departing = 0;
        int evicted = 0;
        Remove(mask, reach, counts, ref departing, ref evicted, _parts, _board, kind, null);
        return new Offer(run, departing, evicted, view.Loss(kind.Index, run));
    }

    /// <summary>
    /// What has to go for a place on a GPU: what stands in its way, and more where the GPU can have no more of the kind otherwise.
    /// </summary>
    public static List<Item> Leaving(Board board, List<Item> there, Kind kind, int run, Reach reach)
    {
        List<Item> leaving = [];
        if (reach == Reach.Free)
            return leaving;
        Item[] items = [.. there.OrderBy(i => i.Code)];
        (int, uint, Role)[] parts = [.. items.Select(i => (i.Kind.Index, i.Mask, i.Role))];
        Span<byte> counts = stackalloc byte[board.Kinds.Length];
        int departing = 0;
        int evicted = 0;
        bool[] gone = new bool[items.Length];
        Remove(kind.RunMasks[run], reach, counts, ref departing, ref evicted, parts, board, kind, gone);
        for (int i = 0; i < gone.Length; i++)
        {
            if (gone[i])
                leaving.Add(items[i]);
        }

        return leaving;
    }

    private static void Remove(
        uint mask,
        Reach reach,
        Span<byte> counts,
        ref int departing,
        ref int evicted,
        ReadOnlySpan<(int Kind, uint Mask, Role Role)> parts,
        Board board,
        Kind kind,
        bool[]? gone)
    {
        counts.Clear();
        for (int i = 0; i < parts.Length; i++)
        {
            if (CanGo(parts[i].Role, reach) && (parts[i].Mask & mask) != 0)
                Count(i, parts, ref departing, ref evicted);
            else
                counts[parts[i].Kind]++;
        }

        for (int i = 0; i < parts.Length && !board.AllowsOneMore(counts, kind.Index); i++)
        {
            if (!CanGo(parts[i].Role, reach) || (parts[i].Mask & mask) != 0)
                continue;
            counts[parts[i].Kind]--;
            Count(i, parts, ref departing, ref evicted);
        }

        void Count(int i, ReadOnlySpan<(int Kind, uint Mask, Role Role)> parts, ref int departing, ref int evicted)
        {
            if (gone is not null)
                gone[i] = true;
            if (parts[i].Role == Role.Ending)
                departing++;
            else
                evicted++;
        }
    }

    private static bool CanGo(Role role, Reach reach) => role == Role.Cached || (role == Role.Ending && reach == Reach.Depart);

    private Offer Find(Kind kind, Reach reach)
    {
        Offer best = Offer.None;
        for (int run = 0; run < kind.RunMasks.Length; run++)
        {
            Offer offer = OfferAt(kind, run, reach);
            if (!offer.IsNone && (best.IsNone || offer.Cost.CompareTo(best.Cost) < 0))
                best = offer;
        }

        return best;
    }

    private View ViewOf(Func<Role, bool> counted)
    {
        uint mask = 0;
        byte[] counts = new byte[_board.Kinds.Length];
        foreach ((int kind, uint part, Role role) in _parts)
        {
            if (!counted(role))
                continue;
            mask |= part;
            counts[kind]++;
        }

        return _board.ViewOf(mask, counts);
    }
}
