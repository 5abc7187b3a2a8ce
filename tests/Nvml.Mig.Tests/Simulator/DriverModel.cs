namespace Nvml.Mig.Tests.Simulator;

/// <summary>An answer of the driver: a value, or the code of a refusal.</summary>
internal readonly record struct Answer<T>(NvmlReturnCode Code, T? Value)
{
    public static implicit operator Answer<T>(T value) => new(NvmlReturnCode.Success, value);

    public static implicit operator Answer<T>(NvmlReturnCode refusal) => new(refusal, default);

    public override string ToString() => Code == NvmlReturnCode.Success ? $"{Value}" : $"{Code}";
}

/// <summary>A kind of compute instance, and where in the compute slices of its GPU instance it can stand.</summary>
internal sealed record ComputeOffer(ComputeInstanceProfile Profile, IReadOnlyList<Placement> Places)
{
    /// <summary>With the number: two can have one name.</summary>
    public override string ToString() => $"{Profile} ({Profile.Id})";
}

/// <summary>A kind of GPU instance, where in the memory of the GPU it can stand, and what fits inside.</summary>
internal sealed record GpuOffer(GpuInstanceProfile Profile, IReadOnlyList<Placement> Places, IReadOnlyList<ComputeOffer> Compute)
{
    /// <summary>
    /// The profiles of a GPU, asked of itself. Compute profiles show only inside an instance, so that one of each kind is created: the
    /// GPU must be empty, with MIG enabled.
    /// </summary>
    public static IReadOnlyList<GpuOffer> Read(GpuDevice gpu)
    {
        return
        [
            .. gpu.GetGpuInstanceProfiles()
                .Select(profile => new GpuOffer(profile, gpu.GetPossiblePlacements(profile), Inside(profile))),
        ];

        ComputeOffer[] Inside(GpuInstanceProfile profile)
        {
            GpuInstance instance = gpu.CreateGpuInstance(profile);
            ComputeOffer[] offers =
            [
                .. instance.GetComputeInstanceProfiles()
                    .Select(compute => new ComputeOffer(compute, instance.GetPossiblePlacements(compute))),
            ];
            instance.Destroy();
            return offers;
        }
    }
}

/// <summary>
/// The engines that GPU instances have to themselves. Instances that do not overlap can still want more of them than the GPU has: an
/// A30 has one JPEG engine for its two kinds of instances with media extensions.
/// </summary>
internal sealed record Engines(int Copy, int Decoders, int Encoders, int Jpeg, int Ofa)
{
    public static Engines Of(GpuInstanceProfile profile) =>
        new(profile.CopyEngineCount, profile.DecoderCount, profile.EncoderCount, profile.JpegCount, profile.OfaCount);

    /// <summary>The engines of the GPU: those of the instance that takes the whole of it.</summary>
    public static Engines OfTheWhole(IEnumerable<GpuInstanceProfile> profiles) => Of(profiles.MaxBy(profile => profile.MemoryMiB)!);

    /// <summary>
    /// Whether they suffice for instances of all these profiles at once. Engines that the whole GPU shows none of limit nothing: their
    /// number is not known.
    /// </summary>
    public bool Suffice(IReadOnlyCollection<GpuInstanceProfile> profiles)
    {
        return Enough(Copy, e => e.Copy) && Enough(Decoders, e => e.Decoders) && Enough(Encoders, e => e.Encoders)
            && Enough(Jpeg, e => e.Jpeg) && Enough(Ofa, e => e.Ofa);

        bool Enough(int present, Func<Engines, int> wanted) => present == 0 || profiles.Sum(profile => wanted(Of(profile))) <= present;
    }
}

/// <summary>A compute instance in the model.</summary>
internal sealed record ModelComputeInstance(int Id, ComputeOffer Offer, Placement Place)
{
    public override string ToString() => $"{Id} {Offer} at {Place}";
}

/// <summary>A GPU instance in the model.</summary>
internal sealed class ModelGpuInstance(int id, GpuOffer offer, Placement place)
{
    public int Id => id;

    public GpuOffer Offer => offer;

    public Placement Place => place;

    /// <summary>By id.</summary>
    public SortedDictionary<int, ModelComputeInstance> Compute { get; } = [];

    public override string ToString() => $"{id} {offer.Profile} at {place}";
}

/// <summary>
/// One GPU as the driver keeps it, written from what is known of NVIDIA's driver and not from the simulator: tables of a model come in
/// as offers, rules are here. Where instances go by default, and which ids and codes there are, comes from sessions on real boards and
/// from NVIDIA's open kernel modules.
/// </summary>
internal sealed class DriverModel
{
    private const int MaxComputeInstances = 8;

    private readonly Architecture _architecture;
    private readonly SortedDictionary<int, ModelGpuInstance> _instances = [];
    private readonly Engines _engines;
    private readonly Placement[] _plainPlaces;

    public DriverModel(Architecture architecture, IReadOnlyList<GpuOffer> offers)
    {
        _architecture = architecture;
        Offers =
        [
            .. offers.Select(offer => offer with
            {
                Compute = [.. offer.Compute.Select(compute => compute with { Places = PlacesOf(offer, compute) })],
            }),
        ];
        MemoryUnits = offers.Max(offer => offer.Places.Max(place => place.End));
        _engines = Engines.OfTheWhole(offers.Select(offer => offer.Profile));
        _plainPlaces = [.. offers.Where(IsPlain).SelectMany(offer => offer.Places)];
    }

    public IReadOnlyList<GpuOffer> Offers { get; }

    /// <summary>How many units of memory placements count in: 4, 8 or 12.</summary>
    public int MemoryUnits { get; }

    public bool MigEnabled { get; private set; }

    /// <summary>By id.</summary>
    public IReadOnlyCollection<ModelGpuInstance> Instances => _instances.Values;

    /// <summary>In the order of their indices: by the ids of GPU instance and compute instance, not by age.</summary>
    public IEnumerable<(ModelGpuInstance Instance, ModelComputeInstance Compute)> MigDevices =>
        _instances.Values.SelectMany(instance => instance.Compute.Values.Select(compute => (instance, compute)));

    /// <summary>Setting the mode that there is changes nothing; leaving MIG mode takes that no instance is left.</summary>
    public MigModeChange SetMigMode(bool enabled)
    {
        if (!enabled && _instances.Count > 0)
            return new MigModeChange(MigModeOutcome.InUse, NvmlReturnCode.InUse);
        MigEnabled = enabled;
        return new MigModeChange(MigModeOutcome.Activated, NvmlReturnCode.Success);
    }

    public Answer<ModelGpuInstance> CreateGpuInstance(GpuOffer offer, Placement? wanted)
    {
        if (!MigEnabled)
            return NvmlReturnCode.NotSupported;
        if (wanted is { } place && !offer.Places.Contains(place))
            return NvmlReturnCode.InvalidArgument;
        if (GetRemainingCapacity(offer) == 0)
            return NvmlReturnCode.InsufficientResources;

        // An occupied place is no room, here. Of compute instances the driver says otherwise.
        Placement? free = wanted is { } asked ? (IsFree(asked, Taken) ? asked : null) : ChoosePlace(offer);
        if (free is not { } at)
            return NvmlReturnCode.InsufficientResources;
        ModelGpuInstance created = new(IdOf(at), offer, at);
        _instances.Add(created.Id, created);
        return created;
    }

    /// <summary>Works with MIG disabled too: nothing is found then.</summary>
    public Answer<ModelGpuInstance> FindGpuInstance(int id) =>
        _instances.TryGetValue(id, out ModelGpuInstance? found) ? found : NvmlReturnCode.NotFound;

    public NvmlReturnCode DestroyGpuInstance(ModelGpuInstance instance)
    {
        if (instance.Compute.Count > 0)
            return NvmlReturnCode.InUse;
        _instances.Remove(instance.Id);
        return NvmlReturnCode.Success;
    }

    /// <summary>The capacity left by the profile's limit, the free places and the engines. Works with MIG disabled too.</summary>
    public int GetRemainingCapacity(GpuOffer offer)
    {
        GpuInstanceProfile[] present = [.. _instances.Values.Select(instance => instance.Offer.Profile)];
        int more = Math.Min(
            offer.Profile.MaxInstances - present.Count(profile => profile == offer.Profile),
            offer.Places.Count(place => IsFree(place, Taken)));
        while (more > 0 && !_engines.Suffice([.. present, .. Enumerable.Repeat(offer.Profile, more)]))
            more--;
        return more;
    }

    /// <summary>Without an offer, the one that takes the whole GPU instance; without a place, where the driver likes.</summary>
    public Answer<ModelComputeInstance> CreateComputeInstance(ModelGpuInstance instance, ComputeOffer? wantedOffer, Placement? wanted)
    {
        ComputeOffer offer = wantedOffer ?? instance.Offer.Compute
            .Where(compute => compute.Profile.SliceCount == instance.Offer.Profile.SliceCount)
            .MaxBy(compute => compute.Profile.MultiprocessorCount)!;
        Placement[] taken = TakenIn(instance);
        if (wanted is { } place && !offer.Places.Contains(place))
        {
            bool isOutside = _architecture == Architecture.Ampere && place.Size == offer.Places[0].Size;
            return isOutside ? NvmlReturnCode.InsufficientResources : NvmlReturnCode.InvalidArgument;
        }

        if (wanted is { } asked && !IsFree(asked, taken))
            return NvmlReturnCode.InUse;
        if (GetRemainingCapacity(instance, offer) == 0 || instance.Compute.Count == MaxComputeInstances)
            return NvmlReturnCode.InsufficientResources;

        Placement at = wanted ?? (_architecture == Architecture.Ampere
            ? offer.Places.First(p => IsFree(p, taken))
            : LeastLoss(offer.Places, taken, [.. instance.Offer.Compute.SelectMany(compute => compute.Places)])!.Value);
        int id = Enumerable.Range(0, MaxComputeInstances).First(i => !instance.Compute.ContainsKey(i));
        ModelComputeInstance created = new(id, offer, at);
        instance.Compute.Add(id, created);
        return created;
    }

    /// <summary>As many as fit side by side, filling from the left, and as there are compute slices left.</summary>
    public static int GetRemainingCapacity(ModelGpuInstance instance, ComputeOffer offer)
    {
        List<Placement> taken = [.. TakenIn(instance)];
        int before = taken.Count;
        foreach (Placement place in offer.Places)
        {
            if (IsFree(place, taken))
                taken.Add(place);
        }

        int slices = instance.Offer.Profile.SliceCount - instance.Compute.Values.Sum(c => c.Offer.Profile.SliceCount);
        int allowed = Math.Min(
            offer.Profile.MaxInstances - instance.Compute.Values.Count(c => c.Offer == offer),
            slices / offer.Profile.SliceCount);
        return Math.Min(allowed, taken.Count - before);
    }

    private IReadOnlyCollection<Placement> Taken => [.. _instances.Values.Select(instance => instance.Place)];

    private static Placement[] TakenIn(ModelGpuInstance instance) => [.. instance.Compute.Values.Select(compute => compute.Place)];

    private static bool IsFree(Placement place, IReadOnlyCollection<Placement> taken) => !taken.Any(place.Overlaps);

    /// <summary>
    /// On Ampere a compute instance can stand wherever it fits: the driver steps through the slices one by one. Later ones align.
    /// </summary>
    private IReadOnlyList<Placement> PlacesOf(GpuOffer offer, ComputeOffer compute)
    {
        if (_architecture != Architecture.Ampere)
            return compute.Places;
        int size = compute.Places[0].Size;
        return [.. Enumerable.Range(0, offer.Profile.SliceCount - size + 1).Select(start => new Placement(start, size))];
    }

    /// <summary>1g to 4g without attributes and short of the whole GPU: whose places the driver keeps free if it can.</summary>
    private bool IsPlain(GpuOffer offer) => offer.Profile.Number <= 3 && offer.Places[0].Size < MemoryUnits;

    /// <summary>
    /// A 1g with double memory prefers the places that a 2g has too, and takes the last, which is of no use to a 2g, when they are gone.
    /// </summary>
    private Placement? ChoosePlace(GpuOffer offer)
    {
        const int twoSlices = 1;
        const int oneSliceDoubleMemory = 9;
        if (offer.Profile.Number == oneSliceDoubleMemory && Offers.FirstOrDefault(o => o.Profile.Number == twoSlices) is { } two)
            return LeastLoss(offer.Places.Intersect(two.Places), Taken, _plainPlaces) ?? LeastLoss(offer.Places, Taken, _plainPlaces);
        return LeastLoss(offer.Places, Taken, _plainPlaces);
    }

    /// <summary>The free place beside which most of the counted ones stay free, the leftmost of several.</summary>
    private static Placement? LeastLoss(
        IEnumerable<Placement> places, IReadOnlyCollection<Placement> taken, IReadOnlyCollection<Placement> counted) =>
        places.Where(place => IsFree(place, taken))
            .OrderByDescending(place => counted.Count(other => !other.Overlaps(place) && IsFree(other, taken)))
            .ThenBy(place => place.Start)
            .Select(place => (Placement?)place)
            .FirstOrDefault();

    /// <summary>
    /// The id says which part of the GPU it is: 0 the whole, 1 and 2 the halves, 3 to 6 the quarters, 7 to 14 the eighths. On some
    /// boards the halves are swapped; this is one where they are not.
    /// </summary>
    private int IdOf(Placement place)
    {
        int firstOfItsSize = (MemoryUnits / place.Size) switch
        {
            1 => 0,
            2 => 1,
            4 => 3,
            8 => 7,
            int parts => throw new InvalidOperationException($"{place} is one of {parts} parts of the GPU."),
        };
        return firstOfItsSize + place.Start / place.Size;
    }
}
