using Nvml.Mig.Planning;

namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>
/// A kind of GPU as bit masks: where instances of each profile can stand, and what may stand together. It is the planner's rule (see
/// <see cref="GpuGeometry"/>) in the form that deciding over many GPUs needs; a test holds the two equal. The only file that knows the
/// planner.
/// </summary>
internal sealed class Board
{
    private const int EngineCount = 6;

    private readonly Dictionary<View, View> _views = [];
    private readonly int[] _needs;
    private readonly int[] _resources = new int[EngineCount];

    public Board(GpuGeometry geometry, int number)
    {
        Number = number;
        Geometry = geometry;
        int unit = geometry.Profiles.SelectMany(p => p.Placements).Aggregate(0, (u, p) => Gcd(u, Gcd(p.Start, p.Size)));
        Unit = Math.Max(1, unit);
        Kinds = [.. geometry.Profiles.Select((p, kind) =>
            new Kind(kind, p.Profile, [.. p.Placements.Distinct().OrderBy(r => r.Start).ThenBy(r => r.Size)], Unit))];
        _needs = new int[Kinds.Length * EngineCount];
        foreach (Kind kind in Kinds)
        {
            GpuInstanceProfile p = kind.Profile;
            int[] needs = [p.SliceCount, p.CopyEngineCount, p.DecoderCount, p.EncoderCount, p.JpegCount, p.OfaCount];
            needs.CopyTo(_needs, kind.Index * EngineCount);
            int most = Math.Max(1, Math.Min(p.MaxInstances, kind.MostTogether));
            for (int r = 0; r < EngineCount; r++)
                _resources[r] = Math.Max(_resources[r], needs[r] * most);
        }

        Total = new Slices(_resources[0], geometry.MemorySliceCount);
    }

    public int Number { get; }

    public GpuGeometry Geometry { get; }

    /// <summary>How many memory slices one bit is.</summary>
    public int Unit { get; }

    public Kind[] Kinds { get; }

    /// <summary>What the GPU has.</summary>
    public Slices Total { get; }

    /// <summary>The kind with this profile id; -1 if there is none.</summary>
    public int KindOf(int profileId) => Array.FindIndex(Kinds, k => k.Profile.Id == profileId);

    /// <summary>The kinds that do for a request, the smallest first; of a need only the smallest.</summary>
    public IEnumerable<Kind> Fitting(InstanceRequest request)
    {
        if (request.Profile is { } name)
        {
            return ProfileName.TryParse(name, out ProfileName parsed)
                ? parsed.FindIn(Kinds, k => k.Profile.Name)
                : Kinds.Where(k => k.Profile.Name == name);
        }

        InstanceNeed need = request.Need!;
        return Kinds
            .Where(k => k.RunMasks.Length > 0
                && k.Profile.MemoryMiB >= need.MemoryMiB && k.Profile.SliceCount >= need.ComputeSlices
                && k.Profile.DecoderCount >= need.Decoders && k.Profile.EncoderCount >= need.Encoders
                && k.Profile.JpegCount >= need.JpegEngines && k.Profile.OfaCount >= need.OfaEngines)
            .OrderBy(k => k.Size.Memory).ThenBy(k => k.Size.Compute).ThenBy(k => k.Engines)
            .ThenByDescending(k => k.Profile.MaxInstances).ThenBy(k => k.Index)
            .Take(1);
    }

    public View ViewOf(uint mask, byte[] counts) => Intern(new View(this, mask, counts));

    private View Intern(View view)
    {
        if (_views.TryGetValue(view, out View? known))
            return known;
        // A GPU has few layouts; only a made-up one with dozens of units could fill the memory.
        if (_views.Count > 100_000)
            _views.Clear();
        return _views[view] = view;
    }

    /// <summary>Whether beside these many of each kind one more is allowed.</summary>
    public bool AllowsOneMore(ReadOnlySpan<byte> counts, int kind)
    {
        if (counts[kind] >= Kinds[kind].Profile.MaxInstances)
            return false;
        for (int r = 0; r < EngineCount; r++)
        {
            int needs = _needs[(kind * EngineCount) + r];
            if (needs == 0)
                continue;
            for (int k = 0; k < counts.Length; k++)
                needs += counts[k] * _needs[(k * EngineCount) + r];
            if (needs > _resources[r])
                return false;
        }

        return true;
    }

    private static int Gcd(int a, int b) => b == 0 ? a : Gcd(b, a % b);
}

/// <summary>A profile on a board.</summary>
internal sealed class Kind
{
    public Kind(int index, GpuInstanceProfile profile, Placement[] places, int unit)
    {
        Index = index;
        Profile = profile;
        Places = places;
        RunMasks = [.. places.Select(p => (uint)(((1UL << (p.Size / unit)) - 1) << (p.Start / unit)))];
        Size = new Slices(profile.SliceCount, places.Length == 0 ? 0 : places[0].Size);
        int end = 0;
        foreach (Placement place in places.OrderBy(p => p.End))
        {
            if (place.Start >= end)
            {
                MostTogether++;
                end = place.End;
            }
        }
    }

    public int Index { get; }

    public GpuInstanceProfile Profile { get; }

    public Placement[] Places { get; }

    /// <summary>The units of each place.</summary>
    public uint[] RunMasks { get; }

    public Slices Size { get; }

    public int MostTogether { get; }

    public int Engines => Profile.DecoderCount + Profile.EncoderCount + Profile.JpegCount + Profile.OfaCount;
}

/// <summary>
/// What stands on a GPU of a board, as far as it counts for what else can: interned, so that what is found is found once.
/// </summary>
internal sealed class View(Board board, uint mask, byte[] counts) : IEquatable<View>
{
    private long[]? _losses;
    private long _room = -1;

    public Board Board => board;

    public uint Mask => mask;

    public bool Allows(int kind) => board.AllowsOneMore(counts, kind);

    /// <summary>The room that an instance costs; the place must be free and allowed. See <see cref="GpuPlan.Room"/>.</summary>
    public long Loss(int kind, int run)
    {
        _losses ??= new long[board.Kinds.Length * 32];
        ref long loss = ref _losses[(kind * 32) + run];
        if (loss == 0)
            loss = 1 + Room - With(kind, run).Room;
        return loss - 1;
    }

    public View With(int kind, int run)
    {
        byte[] more = [.. counts];
        more[kind]++;
        return board.ViewOf(mask | board.Kinds[kind].RunMasks[run], more);
    }

    public bool Equals(View? other) => other is not null && mask == other.Mask && counts.AsSpan().SequenceEqual(other.Counts);

    public override bool Equals(object? obj) => Equals(obj as View);

    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.Add(mask);
        hash.AddBytes(counts);
        return hash.ToHashCode();
    }

    public ReadOnlySpan<byte> Counts => counts;

    private long Room
    {
        get
        {
            if (_room >= 0)
                return _room;
            long room = 0;
            foreach (Kind kind in board.Kinds)
            {
                if (!Allows(kind.Index))
                    continue;
                for (int run = 0; run < kind.RunMasks.Length; run++)
                {
                    long size = kind.Places[run].Size / board.Unit;
                    room += (mask & kind.RunMasks[run]) == 0 ? size * size : 0;
                }
            }

            return _room = room;
        }
    }
}
