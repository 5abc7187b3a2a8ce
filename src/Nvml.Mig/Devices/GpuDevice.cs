using System.Collections.Concurrent;
using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>A GPU of this machine.</summary>
/// <remarks>
/// <para>
/// Facts that cannot change while the driver runs (UUID, name, bus id) and facts that cannot change within a MIG mode (profiles,
/// placements) are read once and remembered, the latter until the mode is changed through this object. Everything else is read by each
/// call.
/// </para>
/// <para>
/// A member that calls the driver throws <see cref="NvmlException"/> if the call fails, of a derived type where callers act differently:
/// <see cref="NvmlNotSupportedException"/> for a reading that the GPU does not have, <see cref="NvmlNoPermissionException"/>, and others.
/// It throws <see cref="ObjectDisposedException"/> once the session is closed. Members document only other exceptions, and special causes.
/// </para>
/// </remarks>
public sealed partial class GpuDevice
{
    private readonly NativeSession _session;
    private NativeGpu? _native;

    internal GpuDevice(NvmlSession session, NativeSession native, int index)
    {
        Session = session;
        _session = native;
        Catalog = new ProfileCatalog(this);
        Index = index;
    }

    /// <summary>The session that the GPU was found in.</summary>
    public NvmlSession Session { get; }

    /// <summary>NVML's index. It follows the PCI bus and may change when GPUs are added or taken out; the UUID does not.</summary>
    public int Index { get; }

    /// <summary>The UUID, <c>GPU-</c> and 36 characters: the GPU's identity for life.</summary>
    public string Uuid => Native.Uuid;

    internal ProfileCatalog Catalog { get; }

    /// <summary>How many instances of each id were destroyed through this object.</summary>
    internal ConcurrentDictionary<int, int> Destroyed { get; } = new();

    /// <summary>
    /// The handle is asked for when it is first needed, so that one GPU that fell off the bus does not keep the others from being
    /// listed. Two threads may both ask; they get the same handle.
    /// </summary>
    internal NativeGpu Native => _native ??= _session.GetDeviceByIndex((uint)Index);

    /// <summary>Whether the GPU can be divided. One native call (0.14 ms on an H200).</summary>
    public bool IsMigCapable() => Native.GetMigMode() is not null;

    /// <summary>
    /// The MIG mode, current and pending; null if the GPU cannot be divided. One native call (0.14 ms on an H200), no allocation.
    /// </summary>
    public MigMode? TryGetMigMode() => Native.GetMigMode();

    /// <summary>The MIG mode, current and pending. One native call (0.14 ms on an H200), no allocation.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has no MIG mode: see <see cref="TryGetMigMode"/>.</exception>
    public MigMode GetMigMode() => Native.GetMigMode() ?? throw NvmlErrors.Refused(
        NvmlReturnCode.NotSupported,
        NvmlFunction.GetMigMode,
        $"{this} cannot be divided: it has no MIG mode",
        Explanation.WhyNoMode(this) ?? "");

    /// <summary>
    /// Enables MIG mode. Needs root or the MIG config capability. At once on Hopper and newer; on Ampere the driver resets the GPU,
    /// so that no client may have it open, monitoring services included.
    /// </summary>
    /// <returns>
    /// Whether it is active, waits for a reset, or was refused, as the GPU reports it afterwards. None of these is an exception.
    /// </returns>
    /// <exception cref="NvmlNotSupportedException">The GPU has no MIG mode, or cannot have it as it is.</exception>
    /// <exception cref="NvmlException">
    /// The mode cannot be changed, or the driver reports a success and it is as before (<see cref="NvmlReturnCode.Unknown"/>). A call that
    /// fails can have changed it: the message says so.
    /// </exception>
    public MigModeChange EnableMig() => SetMigMode(true, readBack: true);

    /// <summary>
    /// Disables MIG mode. Needs root or the MIG config capability. All instances must be destroyed before: otherwise the outcome is
    /// <see cref="MigModeOutcome.InUse"/> and nothing changes.
    /// </summary>
    /// <inheritdoc cref="EnableMig"/>
    public MigModeChange DisableMig() => SetMigMode(false, readBack: true);

    /// <summary>
    /// The GPU instance profiles that the GPU offers, small ones first. Works with MIG disabled too. Read once (one native call of
    /// 0.4 ms for each profile on an H200), then remembered until the mode is changed through this object.
    /// </summary>
    /// <returns>The profiles; none if the GPU has no MIG mode.</returns>
    public IReadOnlyList<GpuInstanceProfile> GetGpuInstanceProfiles() => Catalog.GetProfiles();

    /// <summary>The GPU instance profile that an operator means.</summary>
    /// <param name="nameOrId">
    /// A name (<c>3g.20gb</c>, see <see cref="ProfileName"/>) or an id (<c>9</c>). The name can be the one that another driver gives the
    /// profile, 7g.79gb for 7g.80gb: see <see cref="ProfileName.FindIn"/>.
    /// </param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="NvmlException">
    /// The GPU has no such profile, or more than one of that name (<see cref="NvmlReturnCode.InvalidArgument"/>; the message lists the
    /// choice).
    /// </exception>
    public GpuInstanceProfile GetGpuInstanceProfile(string nameOrId) => Catalog.GetProfile(nameOrId);

    /// <summary>
    /// The GPU instance profile with an id. One that the driver does not list, but knows, is asked for by the id and remembered.
    /// </summary>
    /// <param name="id">The id that nvidia-smi shows, such as 9. It means another size on another model.</param>
    /// <exception cref="NvmlException">The GPU has no such profile (<see cref="NvmlReturnCode.InvalidArgument"/>).</exception>
    public GpuInstanceProfile GetGpuInstanceProfile(int id) => Catalog.GetProfile(id);

    /// <summary>The places for instances of a profile, occupied or not. Works with MIG disabled too. Read once for each profile.</summary>
    /// <param name="profile">A profile of this GPU.</param>
    /// <returns>Placements in memory slices, by start.</returns>
    /// <exception cref="ArgumentException">It is a profile of another GPU.</exception>
    public IReadOnlyList<Placement> GetPossiblePlacements(GpuInstanceProfile profile) => Catalog.GetPlacements(profile);

    /// <summary>How many more instances of a profile can be created as things stand. Works with MIG disabled too.</summary>
    /// <inheritdoc cref="GetPossiblePlacements"/>
    /// <returns>The number.</returns>
    public int GetRemainingCapacity(GpuInstanceProfile profile)
    {
        Catalog.RequireOwn(profile);
        return Native.GetRemainingCapacity(profile);
    }

    /// <summary>
    /// The capabilities of a profile's instances beyond their size. Works with MIG disabled too. Read once for each profile (0.4 ms).
    /// Drivers that do not report graphics, as R550 and older, have no profiles with it.
    /// </summary>
    /// <inheritdoc cref="GetPossiblePlacements"/>
    /// <returns>The capabilities.</returns>
    public GpuInstanceCapabilities GetCapabilities(GpuInstanceProfile profile) => Catalog.GetCapabilities(profile);

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
    /// <exception cref="NvmlInsufficientResourcesException">There is no room; the message lists the instances in the way.</exception>
    /// <exception cref="NvmlNotSupportedException">MIG mode is disabled.</exception>
    /// <exception cref="NvmlInUseException">A process uses the GPU as a whole.</exception>
    /// <example>
    /// <code>
    /// GpuInstance half = gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("3g.20gb"), new Placement(4, 4));
    /// ComputeInstance compute = half.CreateComputeInstance();
    /// Console.WriteLine(compute.GetMigDevice().Uuid); // for CUDA_VISIBLE_DEVICES
    /// </code>
    /// </example>
    public GpuInstance CreateGpuInstance(GpuInstanceProfile profile, Placement? placement = null)
    {
        Catalog.RequireOwn(profile);
        NativeChange change = Native.CreateGpuInstance(profile, placement, out NativeGpuInstance created);
        if (!change.Succeeded)
            throw CreationFailed(profile, placement, change);
        Explanation.ThrowIfOther(created.Info, profile.Id, placement, change, $"GPU instance {profile.Name} on {this}");
        if (_session.LogsChanges)
        {
            InstanceInfo info = created.Info;
            Log.GpuInstanceCreated(_session.Logger, info.Id, profile.Name, info.Placement, ToString(), change.Took.TotalMilliseconds);
        }

        return new GpuInstance(this, created, profile);
    }

    /// <summary>
    /// Creates a GPU instance with a compute instance that takes the whole of it, for the length of a <c>using</c>: disposal destroys
    /// both. Needs MIG mode enabled, and root or the MIG config capability.
    /// </summary>
    /// <inheritdoc cref="CreateGpuInstance"/>
    /// <param name="profile">A profile of this GPU.</param>
    /// <param name="placement">Where, of <see cref="GetPossiblePlacements"/>; by default the driver chooses.</param>
    /// <param name="timeout">
    /// How long disposal tries while they are in use; by default 5 seconds. <see cref="Timeout.InfiniteTimeSpan"/>: until they are not.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is negative.</exception>
    /// <exception cref="NvmlException">
    /// One of them cannot be created. The other is destroyed again, or the message says that it remains.
    /// </exception>
    public ScopedGpuInstance OpenScoped(GpuInstanceProfile profile, Placement? placement = null, TimeSpan? timeout = null)
    {
        TimeSpan limit = timeout ?? TimeSpan.FromSeconds(5);
        if (limit < TimeSpan.Zero && limit != Timeout.InfiniteTimeSpan)
            throw new ArgumentOutOfRangeException(nameof(timeout), limit, "A timeout is not negative, or Timeout.InfiniteTimeSpan.");
        return ScopedGpuInstance.Open(_session, this, profile, placement, limit);
    }

    /// <summary>
    /// The GPU instances on this GPU, by id. Known drivers list them for everybody. One native call for each profile that there can be
    /// instances of, and one for each instance.
    /// </summary>
    /// <returns>The instances; none if MIG mode is disabled.</returns>
    public IReadOnlyList<GpuInstance> GetGpuInstances()
    {
        List<GpuInstance> instances = [];
        foreach (GpuInstanceProfile profile in Catalog.All)
        {
            if (Catalog.IsCrowdedOut(profile, instances))
                continue;
            foreach (NativeGpuInstance native in Native.GetGpuInstances(profile))
                instances.Add(new GpuInstance(this, native, profile));
        }

        instances.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        return [.. instances];
    }

    /// <summary>The GPU instance with an id. Two native calls, once the profiles are known.</summary>
    /// <param name="id">The id that nvidia-smi shows: it follows from the instance's placement.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is negative.</exception>
    /// <exception cref="NvmlNotFoundException">There is none.</exception>
    public GpuInstance GetGpuInstance(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        NativeGpuInstance native = Native.GetGpuInstanceById(id);
        return new GpuInstance(this, native, Catalog.GetProfile(native.Info.ProfileId));
    }

    /// <summary>The MIG device with an index. About five native calls.</summary>
    /// <param name="index">
    /// NVML's index under the GPU, from 0, by GPU instance and compute instance id. It shifts when others are created and destroyed:
    /// name devices by UUID.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative.</exception>
    /// <exception cref="NvmlNotFoundException">There is none, or not any more.</exception>
    public MigDevice GetMigDevice(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return Native.GetMigDevice((uint)index) is { } native ? new MigDevice(this, native) : throw NvmlErrors.Refused(
            NvmlReturnCode.NotFound,
            NvmlFunction.GetMigDevice,
            $"{this} has no MIG device {index}",
            "MIG devices are numbered from 0; each compute instance is one.");
    }

    /// <summary>The MIG devices of this GPU, one for each compute instance. Five native calls for each, and one.</summary>
    /// <returns>The devices in NVML's order, by GPU instance and compute instance id; none if MIG mode is disabled.</returns>
    /// <exception cref="NvmlException">
    /// They changed each time that they were listed (<see cref="NvmlReturnCode.NotReady"/>).
    /// </exception>
    public IReadOnlyList<MigDevice> GetMigDevices()
    {
        const int maxWalks = 10;
        for (int walk = 0; walk < maxWalks; walk++)
        {
            if (Native.TryGetMigDevices() is { } devices)
                return [.. devices.Select(device => new MigDevice(this, device))];
        }

        throw NvmlErrors.Refused(
            NvmlReturnCode.NotReady,
            NvmlFunction.GetMigDevice,
            $"The MIG devices of {this} changed each of the {maxWalks} times that they were listed",
            "Wait until no other program divides it, and try again.");
    }

    /// <summary>
    /// Tries which versions of structs the driver knows and where it differs from its header, for bug reports. Only reads; about ten
    /// native calls.
    /// </summary>
    public DriverProbe ProbeDriver() =>
        Native.ProbeDriver(GetGpuInstanceProfiles().FirstOrDefault(p => GetPossiblePlacements(p).Count > 1));

    /// <summary><c>GPU 0 (GPU-...)</c>, or <c>GPU 0</c> as long as nothing was asked of it.</summary>
    public override string ToString() => _native is { } native ? native.Description : $"GPU {Index}";

    /// <summary>Whether the driver has a function: a few came after R470.</summary>
    internal bool Has(string function) => _session.Library.Has(function);


    /// <inheritdoc cref="ProfileCatalog.LearnComputeProfiles"/>
    internal IReadOnlyList<ComputeInstanceProfile> LearnComputeInstanceProfiles(
        GpuInstanceProfile profile, IReadOnlyList<ComputeInstanceProfile> profiles) => Catalog.LearnComputeProfiles(profile, profiles);

    /// <summary>
    /// Without <paramref name="readBack"/>, the caller reads the mode afterwards, and the outcome is what the driver reports.
    /// </summary>
    internal MigModeChange SetMigMode(bool enabled, bool readBack)
    {
        NativeChange call;
        NvmlReturnCode activation;
        MigMode? reached;
        try
        {
            call = Native.SetMigMode(enabled, readBack, out activation, out reached);
        }
        finally
        {
            // Also if it failed: a call that timed out may have changed the mode.
            Catalog.Forget();
        }

        bool isActive = reached?.Current == enabled;
        bool isNoted = reached?.Pending == enabled;
        if (!call.Succeeded && call.Code != NvmlReturnCode.InUse)
        {
            string? hint = isActive || isNoted
                ? NvmlErrors.HintAnd(call.Code, $"The mode is {reached} all the same.")
                : Explanation.WhyModeNotSet(this, call.Code);
            throw _session.Error(call.Code, call.Function, $"{(enabled ? "enable" : "disable")} MIG on {this}", hint);
        }

        if (call.Succeeded && reached is not null && !isActive && !isNoted)
        {
            throw NvmlErrors.Create(
                NvmlReturnCode.Unknown,
                call.Function,
                $"The MIG mode of {this} is still {reached}, although {call.Function} returned {call.Code.ToSymbol()}. "
                + "Stop the processes that use it and set the mode again, or reset the GPU (nvidia-smi --gpu-reset), or reboot.");
        }

        // The code of the call counts first: where the call fails, the activation says nothing.
        NvmlReturnCode reason = call.Succeeded ? activation : call.Code;
        MigModeChange change = isActive || (reached is null && reason == NvmlReturnCode.Success)
            ? new MigModeChange(MigModeOutcome.Activated, NvmlReturnCode.Success)
            : call.Succeeded || isNoted
                ? new MigModeChange(MigModeOutcome.Pending, reason == NvmlReturnCode.Success ? NvmlReturnCode.ResetRequired : reason)
                : new MigModeChange(MigModeOutcome.InUse, NvmlReturnCode.InUse);
        if (change.Outcome == MigModeOutcome.InUse)
            Log.MigModeRefused(_session.Logger, ToString(), enabled, call.Took.TotalMilliseconds);
        else
            Log.MigModeSet(_session.Logger, ToString(), enabled, change, call.Took.TotalMilliseconds);
        return change;
    }

    private NvmlException CreationFailed(GpuInstanceProfile profile, Placement? placement, NativeChange change)
    {
        if (change.Function == NvmlFunction.GetGpuInstanceInfo)
        {
            Log.GpuInstanceCreatedUnread(_session.Logger, profile.Name, ToString());
            return _session.Error(
                change.Code,
                change.Function,
                $"read back the GPU instance {profile.Name} that the driver has just created on {this}",
                "List the GPU instances to find it.");
        }

        string where = placement is { } at ? $" at {at}" : "";
        return _session.Error(
            change.Code,
            change.Function,
            $"create a GPU instance {profile.Name} (profile {profile.Id}){where} on {this}",
            Explanation.WhyNotCreated(this, profile, placement, change.Code));
    }
}
