using System.Collections.Concurrent;
using System.Globalization;
using Nvml.Mig.Interop;
using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>A GPU of this machine.</summary>
/// <remarks>
/// What cannot change while the driver runs (UUID, name, bus id) and what cannot change within a MIG mode (profiles, placements) is
/// asked for once and remembered, the latter until the mode is changed through this object. Everything else is read anew by each call.
/// </remarks>
public sealed partial class GpuDevice
{
    /// <summary>No driver knows as many profiles; it keeps a driver that never says "no more" from keeping us for ever.</summary>
    private const uint MaxProfileNumbers = 256;

    private readonly NativeSession _session;
    private readonly ConcurrentDictionary<int, IReadOnlyList<ComputeInstanceProfile>> _computeProfiles = new();
    private readonly ConcurrentDictionary<int, IReadOnlyList<Placement>> _placements = new();
    private readonly ConcurrentDictionary<(int GpuInstanceProfile, int Profile), IReadOnlyList<Placement>> _computePlacements = new();
    private NativeGpu? _native;
    private string? _name;
    private PciIdentity? _pci;
    private IReadOnlyList<GpuInstanceProfile>? _profiles;

    /// <summary>Profiles that the driver knows by their ids and does not list.</summary>
    private readonly ConcurrentDictionary<int, GpuInstanceProfile> _unlistedProfiles = new();

    internal GpuDevice(NvmlSession session, NativeSession native, int index)
    {
        Session = session;
        _session = native;
        Index = index;
    }

    /// <summary>The session that the GPU was found in.</summary>
    public NvmlSession Session { get; }

    /// <summary>NVML's index. It follows the PCI bus and may change when GPUs are added or taken out; the UUID does not.</summary>
    public int Index { get; }

    /// <summary>The UUID, <c>GPU-</c> and 36 characters: the GPU's identity for life.</summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public string Uuid => Native.Uuid;

    /// <summary>The product's name, such as <c>NVIDIA A100-SXM4-40GB</c>.</summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public string Name => _name ??= Native.GetName();

    /// <summary>The PCI bus id, such as <c>00000000:07:00.0</c>.</summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public string PciBusId => Pci.BusId;

    /// <summary>
    /// What kind of PCI device it is: the device id in the upper half, the vendor in the lower, <c>0x233010DE</c> for an H100 80GB HBM3.
    /// mig-parted's files choose GPUs by it.
    /// </summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public uint PciDeviceId => Pci.DeviceId;

    /// <summary>Which board it is on, in the same form as <see cref="PciDeviceId"/>: <c>0x18BF10DE</c> for an H200 SXM.</summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public uint PciSubsystemId => Pci.SubsystemId;

    private PciIdentity Pci => _pci ??= Native.GetPci();

    /// <summary>
    /// The handle is asked for when it is first needed, so that one GPU that fell off the bus does not keep the others from being
    /// listed. Two threads may both ask; they get the same handle.
    /// </summary>
    internal NativeGpu Native => _native ??= _session.GetDeviceByIndex((uint)Index);

    /// <summary>Whether the GPU can be divided. One native call (0.14 ms on an H200).</summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public bool IsMigCapable() => Native.GetMigMode() is not null;

    /// <summary>The MIG mode, current and pending; null if the GPU cannot be divided. One native call (0.14 ms on an H200), no allocation.</summary>
    /// <exception cref="NvmlException">The mode cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public MigMode? TryGetMigMode() => Native.GetMigMode();

    /// <summary>The MIG mode, current and pending. One native call (0.14 ms on an H200), no allocation.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has no MIG mode: see <see cref="TryGetMigMode"/>.</exception>
    /// <exception cref="NvmlException">The mode cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public MigMode GetMigMode() => Native.GetMigMode() ?? throw NoMig();

    /// <summary>
    /// Enables MIG mode. Needs root or the MIG config capability. At once on Hopper and newer; on Ampere the driver resets the GPU,
    /// which takes that no client has it open, monitoring services included.
    /// </summary>
    /// <returns>Whether it is active, waits for a reset, or was refused. None of these is an exception.</returns>
    /// <exception cref="NvmlNotSupportedException">The GPU has no MIG mode.</exception>
    /// <exception cref="NvmlNoPermissionException">The caller may not change the mode.</exception>
    /// <exception cref="NvmlException">The mode cannot be changed for another reason.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public MigModeChange EnableMig() => SetMigMode(true);

    /// <summary>
    /// Disables MIG mode. Needs root or the MIG config capability. All instances must be destroyed before: otherwise the outcome is
    /// <see cref="MigModeOutcome.InUse"/> and nothing changes.
    /// </summary>
    /// <inheritdoc cref="EnableMig"/>
    public MigModeChange DisableMig() => SetMigMode(false);

    /// <summary>
    /// The GPU instance profiles that the GPU offers, small ones first. Works with MIG disabled too. Read once (one native call of
    /// 0.4 ms for each profile on an H200), then remembered until the mode is changed through this object.
    /// </summary>
    /// <returns>The profiles; none if the GPU has no MIG mode.</returns>
    /// <exception cref="NvmlException">The profiles cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<GpuInstanceProfile> GetGpuInstanceProfiles()
    {
        if (_profiles is { } known)
            return known;
        List<GpuInstanceProfile> profiles = [];
        // Not up to a constant: newer drivers know more numbers, and tell where they end.
        for (uint number = 0; number < MaxProfileNumbers; number++)
        {
            GpuInstanceProfile? profile = Native.GetGpuInstanceProfile(number, out bool end);
            if (profile is not null)
                profiles.Add(profile);
            if (end)
                break;
        }

        profiles.Sort(BySize);
        // None may be for now only: a driver can refuse to tell while MIG mode is disabled, and another process can enable it.
        return profiles.Count == 0 ? [] : _profiles = [.. profiles];
    }

    /// <summary>The GPU instance profile that an operator means.</summary>
    /// <param name="nameOrId">
    /// A name (<c>3g.20gb</c>, see <see cref="ProfileName"/>) or an id (<c>9</c>). The name can be the one that another driver gives the
    /// profile, 7g.79gb for 7g.80gb: see <see cref="ProfileName.FindIn"/>.
    /// </param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="NvmlException">
    /// The GPU has no such profile, or more than one of that name (<see cref="NvmlReturnCode.InvalidArgument"/>; the message lists those
    /// to choose from), or they cannot be read.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuInstanceProfile GetGpuInstanceProfile(string nameOrId)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(nameOrId);
        if (ProfileMatch.IsId(nameOrId, out int id))
            return GetGpuInstanceProfile(id);
        IReadOnlyList<GpuInstanceProfile> profiles = GetGpuInstanceProfiles();
        IReadOnlyList<GpuInstanceProfile> found = ProfileMatch.Find(profiles, nameOrId);
        return found.Count switch
        {
            1 => found[0],
            0 => throw NoProfile(nameOrId, profiles),
            _ => throw new NvmlException(
                NvmlReturnCode.InvalidArgument,
                "nvmlDeviceGetGpuInstanceProfileInfoV",
                $"{this} has {found.Count} GPU instance profiles '{nameOrId}' (NVML_ERROR_INVALID_ARGUMENT, 2). Choose by id: {string.Join(", ", found.Select(p => $"{p.Id} ({p.Name}, {p.MemoryMiB} MiB, {p.MultiprocessorCount} SM)"))}."),
        };
    }

    /// <summary>
    /// The GPU instance profile with an id. One that the driver does not list, but knows, is asked for by the id and remembered.
    /// </summary>
    /// <param name="id">The id that nvidia-smi shows, such as 9. It means another size on another model.</param>
    /// <exception cref="NvmlException">
    /// The GPU has no such profile (<see cref="NvmlReturnCode.InvalidArgument"/>), or it cannot be read.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuInstanceProfile GetGpuInstanceProfile(int id)
    {
        IReadOnlyList<GpuInstanceProfile> profiles = GetGpuInstanceProfiles();
        if (profiles.FirstOrDefault(p => p.Id == id) is { } listed)
            return listed;
        if (_unlistedProfiles.TryGetValue(id, out GpuInstanceProfile? known))
            return known;
        GpuInstanceProfile unlisted = Native.GetGpuInstanceProfileById(id) ?? throw NoProfile(id.ToString(CultureInfo.InvariantCulture), profiles);
        return _unlistedProfiles[id] = unlisted;
    }

    /// <summary>
    /// Where on this GPU instances of a profile can stand, occupied or not. Works with MIG disabled too. Read once for each profile,
    /// then remembered.
    /// </summary>
    /// <param name="profile">A profile of this GPU.</param>
    /// <returns>Placements in memory slices, by start.</returns>
    /// <exception cref="ArgumentException">It is a profile of another GPU.</exception>
    /// <exception cref="NvmlException">The placements cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<Placement> GetPossiblePlacements(GpuInstanceProfile profile)
    {
        RequireOwn(profile);
        if (!_placements.TryGetValue(profile.Id, out IReadOnlyList<Placement>? placements))
            _placements[profile.Id] = placements = Array.AsReadOnly(Native.GetPossiblePlacements(profile));
        return placements;
    }

    /// <summary>How many more instances of a profile can be created as things stand. Works with MIG disabled too.</summary>
    /// <param name="profile">A profile of this GPU.</param>
    /// <exception cref="ArgumentException">It is a profile of another GPU.</exception>
    /// <exception cref="NvmlException">The capacity cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public int GetRemainingCapacity(GpuInstanceProfile profile)
    {
        RequireOwn(profile);
        return Native.GetRemainingCapacity(profile);
    }

    /// <summary>
    /// Creates a GPU instance. Needs MIG mode enabled, and root or the MIG config capability. It cannot be used before a compute
    /// instance is created in it, and lives until it is destroyed, the GPU is reset or the machine is rebooted.
    /// </summary>
    /// <param name="profile">A profile of this GPU.</param>
    /// <param name="placement">
    /// Where, of <see cref="GetPossiblePlacements"/>. By default the driver chooses the place that costs the least room for others.
    /// </param>
    /// <exception cref="ArgumentException">
    /// It is a profile of another GPU: the same id means another size there, so it is not used.
    /// </exception>
    /// <exception cref="NvmlInsufficientResourcesException">There is no room; the message says what is in the way.</exception>
    /// <exception cref="NvmlNotSupportedException">MIG mode is disabled.</exception>
    /// <exception cref="NvmlNoPermissionException">The caller may not create instances.</exception>
    /// <exception cref="NvmlInUseException">A process uses the GPU as a whole.</exception>
    /// <exception cref="NvmlException">The instance cannot be created for another reason.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    /// <example>
    /// <code>
    /// GpuInstance half = gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("3g.20gb"), new Placement(4, 4));
    /// ComputeInstance compute = half.CreateComputeInstance();
    /// Console.WriteLine(compute.GetMigDevice().Uuid); // for CUDA_VISIBLE_DEVICES
    /// </code>
    /// </example>
    public GpuInstance CreateGpuInstance(GpuInstanceProfile profile, Placement? placement = null)
    {
        RequireOwn(profile);
        NativeGpuInstance native = Native.CreateGpuInstance(
            this, profile, placement, static (gpu, profile, at) => gpu.WhyNoRoom(profile, at), static gpu => gpu.WhoUses(null, null), out InstanceInfo created);
        return new GpuInstance(this, native, created, profile);
    }

    /// <summary>
    /// Creates a GPU instance with a compute instance that takes the whole of it, for the length of a <c>using</c>: disposal destroys
    /// both. Needs MIG mode enabled, and root or the MIG config capability.
    /// </summary>
    /// <param name="profile">A profile of this GPU.</param>
    /// <param name="placement">Where, of <see cref="GetPossiblePlacements"/>; by default the driver chooses.</param>
    /// <param name="patience">
    /// How long disposal waits while they are in use; by default 5 seconds. <see cref="Timeout.InfiniteTimeSpan"/>: until they are not.
    /// </param>
    /// <exception cref="ArgumentException">It is a profile of another GPU.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The patience is negative.</exception>
    /// <exception cref="NvmlInsufficientResourcesException">There is no room; the message says what is in the way.</exception>
    /// <exception cref="NvmlNotSupportedException">MIG mode is disabled.</exception>
    /// <exception cref="NvmlNoPermissionException">The caller may not create instances.</exception>
    /// <exception cref="NvmlInUseException">A process uses the GPU as a whole.</exception>
    /// <exception cref="NvmlException">
    /// They cannot be created for another reason. What was created is destroyed again, or the message says that it is left.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The session was closed; the message says if something is left.</exception>
    public ScopedGpuInstance OpenScoped(GpuInstanceProfile profile, Placement? placement = null, TimeSpan? patience = null)
    {
        TimeSpan wait = patience ?? TimeSpan.FromSeconds(5);
        if (wait < TimeSpan.Zero && wait != Timeout.InfiniteTimeSpan)
            throw new ArgumentOutOfRangeException(nameof(patience), wait, "Timeout is not negative, or Timeout.InfiniteTimeSpan.");
        return ScopedGpuInstance.Open(_session, this, profile, placement, wait);
    }

    /// <summary>
    /// The GPU instances on this GPU, by id. Known drivers show them to everybody. One native call for each profile that there can be
    /// instances of, and one for each instance.
    /// </summary>
    /// <returns>The instances; none if MIG mode is disabled.</returns>
    /// <exception cref="NvmlNoPermissionException">The driver does not show them to the caller.</exception>
    /// <exception cref="NvmlException">The instances cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<GpuInstance> GetGpuInstances()
    {
        List<GpuInstance> instances = [];
        // By id: a profile that was not listed when it was asked for can be listed by now.
        foreach (GpuInstanceProfile profile in GetGpuInstanceProfiles().Concat(_unlistedProfiles.Select(p => p.Value)).DistinctBy(p => p.Id))
        {
            // Where its places are known and all of them are taken by those found so far, there can be none of it.
            if (_placements.TryGetValue(profile.Id, out IReadOnlyList<Placement>? places)
                && places.All(place => instances.Exists(i => i.Profile != profile && i.Placement.Overlaps(place))))
            {
                continue;
            }

            foreach (NativeGpuInstance native in Native.GetGpuInstances(profile))
            {
                // Null: another process destroyed it between the two calls.
                if (native.TryGetInfo() is { } info)
                    instances.Add(new GpuInstance(this, native, info, profile));
            }
        }

        instances.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        return [.. instances];
    }

    /// <summary>The GPU instance with an id. Two native calls, once the profiles are known.</summary>
    /// <param name="id">The id that nvidia-smi shows: it follows from the instance's placement.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is negative.</exception>
    /// <exception cref="NvmlNotFoundException">There is none.</exception>
    /// <exception cref="NvmlException">The instance cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuInstance GetGpuInstance(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        NativeGpuInstance native = Native.GetGpuInstanceById(id);
        InstanceInfo info = native.TryGetInfo() ?? throw Gone("nvmlGpuInstanceGetInfo", $"GPU instance {id} of {this}");
        return new GpuInstance(this, native, info, GetGpuInstanceProfile(info.ProfileId));
    }

    /// <summary>The MIG device with an index. About five native calls.</summary>
    /// <param name="index">
    /// NVML's index under the GPU, from 0, by GPU instance and compute instance id. It shifts when others are created and destroyed:
    /// name devices by UUID.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative.</exception>
    /// <exception cref="NvmlNotFoundException">There is none, or not any more.</exception>
    /// <exception cref="NvmlException">The device cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public MigDevice GetMigDevice(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return Native.GetMigDevice((uint)index) is { } native
            ? new MigDevice(this, native)
            : throw new NvmlNotFoundException(
                NvmlReturnCode.NotFound,
                "nvmlDeviceGetMigDeviceHandleByIndex",
                $"{this} has no MIG device {index} (NVML_ERROR_NOT_FOUND, 6). MIG devices are numbered from 0; each compute instance is one.");
    }

    /// <summary>
    /// The MIG devices of this GPU: what CUDA programs see, one for each compute instance. Five native calls for each, and one.
    /// </summary>
    /// <returns>The devices in NVML's order, by GPU instance and compute instance id; none if MIG mode is disabled.</returns>
    /// <exception cref="NvmlException">The devices cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<MigDevice> GetMigDevices()
    {
        // NVML numbers them without gaps: when one comes or goes while they are walked, those behind it shift, and the walk may miss one.
        // Then one that was found has another index by the end, or none.
        const int maxWalks = 10;
        for (int walk = 0; walk < maxWalks; walk++)
        {
            List<MigDevice> devices = [.. EnumerateMigDevices()];
            if (devices.TrueForAll(device => device.HasIndexStill))
                return [.. devices.DistinctBy(device => device.Uuid, StringComparer.Ordinal)];
        }

        throw new NvmlException(
            NvmlReturnCode.NotReady,
            "nvmlDeviceGetMigDeviceHandleByIndex",
            $"The MIG devices of {this} changed each of the {maxWalks} times that they were listed: wait until no other program divides it, and try again.");
    }

    /// <summary>
    /// Tries which versions of structs the driver knows and where it differs from its header, for bug reports. Only reads; about ten
    /// native calls.
    /// </summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public DriverProbe ProbeDriver() =>
        Native.ProbeDriver(GetGpuInstanceProfiles().FirstOrDefault(p => GetPossiblePlacements(p).Count > 1));

    /// <summary><c>GPU 0 (GPU-...)</c>, or <c>GPU 0</c> as long as nothing was asked of it.</summary>
    public override string ToString() => _native is { } native ? native.Description : $"GPU {Index}";

    /// <summary>Whether the driver has a function: a few came after R470.</summary>
    internal bool Has(string function) => _session.Library.Has(function);

    /// <summary>
    /// The MIG devices as they are found. Their indices shift when another process creates or destroys instances meanwhile, so that a
    /// walk may come across one twice or miss one.
    /// </summary>
    internal IEnumerable<MigDevice> EnumerateMigDevices()
    {
        uint count = Native.GetMaxMigDeviceCount();
        for (uint index = 0; index < count; index++)
        {
            if (Native.GetMigDevice(index) is { } native)
                yield return new MigDevice(this, native, (int)index);
        }
    }

    /// <summary>The MIG device with a handle; null if it has gone.</summary>
    internal MigDevice? ToMigDevice(nvmlDevice_t handle) =>
        NativeMigDevice.TryRead(Native, handle) is { } native ? new MigDevice(this, native) : null;

    /// <summary>The compute instance profiles inside instances of one GPU instance profile are the same for all of them.</summary>
    internal IReadOnlyList<ComputeInstanceProfile> GetComputeInstanceProfiles(GpuInstance instance, NativeGpuInstance native)
    {
        if (_computeProfiles.TryGetValue(instance.Profile.Id, out IReadOnlyList<ComputeInstanceProfile>? known))
            return known;
        List<ComputeInstanceProfile> profiles = [];
        for (uint number = 0; number < MaxProfileNumbers; number++)
        {
            ComputeInstanceProfile? profile = native.GetComputeInstanceProfile(number, instance.Profile, instance.Id, out bool end);
            if (profile is not null)
                profiles.Add(profile);
            if (end)
                break;
        }

        // The driver gives the same code behind the last profile and for an instance that has gone: a list cut short by that must not
        // be remembered.
        instance.ThrowIfGone("nvmlGpuInstanceGetComputeInstanceProfileInfoV");

        profiles.Sort(BySize);
        return _computeProfiles[instance.Profile.Id] = [.. profiles];
    }

    /// <summary>Where compute instances can stand is the same in all GPU instances of one profile.</summary>
    internal IReadOnlyList<Placement> GetComputePlacements(GpuInstanceProfile inside, ComputeInstanceProfile profile, Func<Placement[]> read)
    {
        if (!_computePlacements.TryGetValue((inside.Id, profile.Id), out IReadOnlyList<Placement>? placements))
            _computePlacements[(inside.Id, profile.Id)] = placements = [.. read().OrderBy(p => p.Start)];
        return placements;
    }

    /// <summary>The same profiles, where a GPU that is alike has told it already; what this one has told itself counts more.</summary>
    internal IReadOnlyList<ComputeInstanceProfile> LearnComputeInstanceProfiles(GpuInstanceProfile profile, IReadOnlyList<ComputeInstanceProfile> profiles) =>
        _computeProfiles.GetOrAdd(profile.Id, profiles);

    internal static NvmlNotFoundException Gone(string function, string what) =>
        new(
            NvmlReturnCode.NotFound,
            function,
            $"{what} does not exist any more: it was destroyed. Another may stand in its place now; list the instances again.");

    // Comparisons, and not OrderBy: LINQ's sorting by numbers is compiled anew in each process, and that takes 2 ms.
    private static int BySize(GpuInstanceProfile a, GpuInstanceProfile b) =>
        a.SliceCount != b.SliceCount ? a.SliceCount.CompareTo(b.SliceCount)
        : a.MemoryMiB != b.MemoryMiB ? a.MemoryMiB.CompareTo(b.MemoryMiB)
        : a.Number.CompareTo(b.Number);

    private static int BySize(ComputeInstanceProfile a, ComputeInstanceProfile b) =>
        a.SliceCount != b.SliceCount ? a.SliceCount.CompareTo(b.SliceCount)
        : a.MultiprocessorCount != b.MultiprocessorCount ? a.MultiprocessorCount.CompareTo(b.MultiprocessorCount)
        : a.Number.CompareTo(b.Number);

    private MigModeChange SetMigMode(bool enabled)
    {
        try
        {
            return Native.SetMigMode(enabled);
        }
        finally
        {
            // Also if it failed: one that timed out may have changed the mode.
            _profiles = null;
            _unlistedProfiles.Clear();
            _placements.Clear();
            _capabilities.Clear();
            _computeProfiles.Clear();
            _computePlacements.Clear();
        }
    }

    private NvmlException NoProfile(string nameOrId, IReadOnlyList<GpuInstanceProfile> profiles) =>
        new(
            NvmlReturnCode.InvalidArgument,
            "nvmlDeviceGetGpuInstanceProfileInfoV",
            profiles.Count == 0
                ? $"{this} has no GPU instance profiles: it cannot be divided, or the driver shows none."
                : $"{this} has no GPU instance profile '{nameOrId}' (NVML_ERROR_INVALID_ARGUMENT, 2). It has: {string.Join(", ", profiles.Select(p => $"{p.Name} ({p.Id})"))}.");

    private NvmlNotSupportedException NoMig() =>
        new(
            NvmlReturnCode.NotSupported,
            "nvmlDeviceGetMigMode",
            $"{this} cannot be divided: it has no MIG mode (NVML_ERROR_NOT_SUPPORTED, 3, from nvmlDeviceGetMigMode).");

    /// <summary>
    /// Ids of profiles mean another size on another model: 9 is 3g.20gb here and 3g.71gb there. Alike profiles of alike GPUs are equal.
    /// </summary>
    private void RequireOwn(GpuInstanceProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        if (!GetGpuInstanceProfiles().Contains(profile) && !_unlistedProfiles.Values.Contains(profile))
        {
            throw new ArgumentException(
                $"{profile.Name} (profile {profile.Id}) is not a profile of {this}: take profiles from the GPU that you use them on.", nameof(profile));
        }
    }

    /// <summary>
    /// "It is used by process 4711 (python3): ...", of an instance or of the GPU as a whole; null if NVML shows nobody.
    /// </summary>
    internal string? WhoUses(int? gpuInstanceId, int? computeInstanceId)
    {
        try
        {
            return GpuProcess.InTheWay(GetProcesses().Where(process =>
                process.GpuInstanceId == gpuInstanceId && (computeInstanceId is null || process.ComputeInstanceId == computeInstanceId)));
        }
        catch (Exception e) when (e is NvmlException or ObjectDisposedException)
        {
            return null; // What cannot be explained must not hide what failed.
        }
    }

    /// <summary>What stands where an instance of a profile could, or where it was wanted.</summary>
    private string? WhyNoRoom(GpuInstanceProfile profile, Placement? wanted)
    {
        try
        {
            IReadOnlyList<GpuInstance> present = GetGpuInstances();
            int same = present.Count(i => i.Profile.Id == profile.Id);
            if (same >= profile.MaxInstances)
                return $"The GPU holds {same} of at most {profile.MaxInstances} {profile.Name} already.";
            if ((wanted is { } only ? [only] : GetPossiblePlacements(profile)).FirstOrDefault(at => !present.Any(i => i.Placement.Overlaps(at))) is { Size: > 0 } free)
                return $"{free} is free, but something else that it needs is not: instances share the engines of the GPU, and some, as those of +me, are there once. Present: {string.Join(", ", present)}.";
            if (wanted is { } place)
                return $"Its place is taken: {Blocked(place)}. {GetRemainingCapacity(profile)} more {profile.Name} would fit elsewhere.";
            return $"Every place for it is taken: {string.Join("; ", GetPossiblePlacements(profile).Select(Blocked))}. The order of creation decides where the driver puts instances: create large ones first, or name placements.";

            string Blocked(Placement at) =>
                $"{at} by {string.Join(" and ", present.Where(i => i.Placement.Overlaps(at)).Select(i => $"{i.Id} ({i.Profile.Name} at {i.Placement})"))}";
        }
        catch (Exception e) when (e is NvmlException or ObjectDisposedException)
        {
            return null; // What cannot be explained must not hide what failed.
        }
    }
}
