using System.Collections.Concurrent;
using System.Globalization;

namespace Nvml.Mig;

/// <summary>
/// The ways to divide a GPU: profiles, placements and capabilities. They cannot change within a MIG mode, so each is read once and
/// remembered until <see cref="Forget"/>.
/// </summary>
internal sealed class ProfileCatalog(GpuDevice gpu)
{
    /// <summary>No driver knows as many profiles; the limit ends the reading of one that never says "no more".</summary>
    private const uint MaxProfileNumbers = 256;

    /// <summary>
    /// The profile numbers of driver 580, of GPU instances and of compute instances. A refusal before that is asked again: older drivers
    /// end there, and a single one must not hide the instances of all profiles behind it.
    /// </summary>
    private const uint KnownProfileNumbers = 17;
    private const uint KnownComputeProfileNumbers = 9;

    private readonly ConcurrentDictionary<int, IReadOnlyList<Placement>> _placements = new();
    private readonly ConcurrentDictionary<int, GpuInstanceCapabilities> _capabilities = new();
    private readonly ConcurrentDictionary<int, IReadOnlyList<ComputeInstanceProfile>> _computeProfiles = new();
    private readonly ConcurrentDictionary<(int GpuInstanceProfile, int Profile), IReadOnlyList<Placement>> _computePlacements = new();

    /// <summary>Profiles that the driver knows by their ids and does not list.</summary>
    private readonly ConcurrentDictionary<int, GpuInstanceProfile> _unlisted = new();

    private IReadOnlyList<GpuInstanceProfile>? _profiles;

    /// <summary>
    /// The profiles that there can be instances of. A profile that was not listed when it was asked for can be listed by now.
    /// </summary>
    public IEnumerable<GpuInstanceProfile> All => GetProfiles().Concat(_unlisted.Select(p => p.Value)).DistinctBy(p => p.Id);

    public void Forget()
    {
        _profiles = null;
        _unlisted.Clear();
        _placements.Clear();
        _capabilities.Clear();
        _computeProfiles.Clear();
        _computePlacements.Clear();
    }

    public IReadOnlyList<GpuInstanceProfile> GetProfiles()
    {
        if (_profiles is { } known)
            return known;
        List<GpuInstanceProfile> profiles = [];
        // Not up to a constant: newer drivers know more numbers, and refuse the one behind the last.
        for (uint number = 0; number < MaxProfileNumbers; number++)
        {
            GpuInstanceProfile? profile = gpu.Native.GetGpuInstanceProfile(number, out bool end);
            if (end && number < KnownProfileNumbers)
                profile = gpu.Native.GetGpuInstanceProfile(number, out end);
            if (profile is not null)
                profiles.Add(profile);
            if (end)
                break;
        }

        profiles.Sort(BySize);
        // None may be for now only: a driver can list none while MIG mode is disabled, and another process can enable it.
        return profiles.Count == 0 ? [] : _profiles = [.. profiles];
    }

    public GpuInstanceProfile GetProfile(string nameOrId)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(nameOrId);
        if (ProfileMatch.IsId(nameOrId, out int id))
            return GetProfile(id);
        IReadOnlyList<GpuInstanceProfile> profiles = GetProfiles();
        IReadOnlyList<GpuInstanceProfile> found = ProfileMatch.Find(profiles, nameOrId);
        if (found.Count == 1)
            return found[0];
        if (found.Count == 0)
            throw NoProfile(nameOrId, profiles);
        IEnumerable<string> choices = found.Select(p => $"{p.Id} ({p.Name}, {p.MemoryMiB} MiB, {p.MultiprocessorCount} SM)");
        throw Refused($"{gpu} has {found.Count} GPU instance profiles '{nameOrId}'", $"Choose by id: {string.Join(", ", choices)}.");
    }

    public GpuInstanceProfile GetProfile(int id)
    {
        IReadOnlyList<GpuInstanceProfile> profiles = GetProfiles();
        if (profiles.FirstOrDefault(p => p.Id == id) is { } listed)
            return listed;
        if (_unlisted.TryGetValue(id, out GpuInstanceProfile? known))
            return known;
        GpuInstanceProfile? unlisted = gpu.Native.GetGpuInstanceProfileById(id);
        return _unlisted[id] = unlisted ?? throw NoProfile(id.ToString(CultureInfo.InvariantCulture), profiles);
    }

    /// <summary>
    /// Ids of profiles mean another size on another model: 9 is 3g.20gb here and 3g.71gb there. Alike profiles of alike GPUs are equal.
    /// </summary>
    /// <exception cref="ArgumentException">The profile is another GPU's.</exception>
    public void RequireOwn(GpuInstanceProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        if (!GetProfiles().Contains(profile) && !_unlisted.Values.Contains(profile))
        {
            throw new ArgumentException(
                $"{profile.Name} (profile {profile.Id}) is not a profile of {gpu}: take profiles from the GPU that you use them on.",
                nameof(profile));
        }
    }

    public IReadOnlyList<Placement> GetPlacements(GpuInstanceProfile profile)
    {
        RequireOwn(profile);
        if (!_placements.TryGetValue(profile.Id, out IReadOnlyList<Placement>? placements))
            _placements[profile.Id] = placements = Array.AsReadOnly(gpu.Native.GetPossiblePlacements(profile));
        return placements;
    }

    /// <summary>Whether the places of a profile are known, and all of them are taken by instances of other profiles.</summary>
    public bool IsCrowdedOut(GpuInstanceProfile profile, List<GpuInstance> present) =>
        _placements.TryGetValue(profile.Id, out IReadOnlyList<Placement>? places)
        && places.All(place => present.Exists(i => i.Profile != profile && i.Placement.Overlaps(place)));

    public GpuInstanceCapabilities GetCapabilities(GpuInstanceProfile profile)
    {
        RequireOwn(profile);
        if (!_capabilities.TryGetValue(profile.Id, out GpuInstanceCapabilities capabilities))
        {
            capabilities = gpu.Native.GetCapabilities(profile) is { } reported
                ? (GpuInstanceCapabilities)reported
                : profile.SupportsP2P ? GpuInstanceCapabilities.PeerToPeer : GpuInstanceCapabilities.None;
            _capabilities[profile.Id] = capabilities;
        }

        return capabilities;
    }

    /// <summary>The compute instance profiles inside instances of one GPU instance profile are the same for all of them.</summary>
    public IReadOnlyList<ComputeInstanceProfile> GetComputeProfiles(GpuInstance instance)
    {
        if (_computeProfiles.TryGetValue(instance.Profile.Id, out IReadOnlyList<ComputeInstanceProfile>? known))
            return known;
        List<ComputeInstanceProfile> profiles = [];
        for (uint number = 0; number < MaxProfileNumbers; number++)
        {
            ComputeInstanceProfile? profile = instance.Native.GetComputeInstanceProfile(number, instance.Profile, out bool end);
            if (end && number < KnownComputeProfileNumbers)
                profile = instance.Native.GetComputeInstanceProfile(number, instance.Profile, out end);
            if (profile is not null)
                profiles.Add(profile);
            if (end)
                break;
        }

        // The driver returns the same code behind the last profile and for an instance that has gone. Do not remember a list cut short.
        instance.ThrowIfGone(NvmlFunction.GetComputeInstanceProfile);
        profiles.Sort(BySize);
        return _computeProfiles[instance.Profile.Id] = [.. profiles];
    }

    /// <summary>Takes over the compute instance profiles of an alike GPU, unless this one's own have been read.</summary>
    public IReadOnlyList<ComputeInstanceProfile> LearnComputeProfiles(
        GpuInstanceProfile profile, IReadOnlyList<ComputeInstanceProfile> profiles) => _computeProfiles.GetOrAdd(profile.Id, profiles);

    /// <summary>The places of compute instances are the same in all GPU instances of one profile.</summary>
    public IReadOnlyList<Placement> GetComputePlacements(GpuInstanceProfile inside, ComputeInstanceProfile profile, Func<Placement[]> read)
    {
        if (!_computePlacements.TryGetValue((inside.Id, profile.Id), out IReadOnlyList<Placement>? placements))
            _computePlacements[(inside.Id, profile.Id)] = placements = [.. read().OrderBy(p => p.Start)];
        return placements;
    }

    // Comparisons, and not OrderBy: LINQ's sorting by numbers is compiled anew in each process, and that takes 2 ms.
    private static int BySize(GpuInstanceProfile a, GpuInstanceProfile b) =>
        a.SliceCount != b.SliceCount ? a.SliceCount.CompareTo(b.SliceCount)
        : a.MemoryMiB != b.MemoryMiB ? a.MemoryMiB.CompareTo(b.MemoryMiB)
        : a.Number.CompareTo(b.Number);

    private static int BySize(ComputeInstanceProfile a, ComputeInstanceProfile b) =>
        a.SliceCount != b.SliceCount ? a.SliceCount.CompareTo(b.SliceCount)
        : a.MultiprocessorCount != b.MultiprocessorCount ? a.MultiprocessorCount.CompareTo(b.MultiprocessorCount)
        : a.Number.CompareTo(b.Number);

    private NvmlException NoProfile(string nameOrId, IReadOnlyList<GpuInstanceProfile> profiles) => profiles.Count == 0
        ? Refused($"{gpu} has no GPU instance profiles", "It cannot be divided, or the driver lists none.")
        : Refused(
            $"{gpu} has no GPU instance profile '{nameOrId}'", $"It has: {string.Join(", ", profiles.Select(p => $"{p.Name} ({p.Id})"))}.");

    private static NvmlException Refused(string statement, string advice) =>
        NvmlErrors.Refused(NvmlReturnCode.InvalidArgument, NvmlFunction.GetGpuInstanceProfile, statement, advice);
}
