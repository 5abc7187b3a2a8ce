using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// A GPU instance: a part of a GPU with memory and engines of its own. Compute instances in it make it usable.
/// </summary>
/// <remarks>
/// <para>
/// The instance belongs to the machine, not to this object: it lives on when the object is forgotten, and other processes can
/// destroy it. Every change through this object first asks the driver whether the instance is still the one that was found,
/// with the same id, profile and placement; if it is not, the change throws <see cref="NvmlNotFoundException"/> and touches nothing. A
/// replacement within the microseconds between that question and the change is not noticed. A successor that is alike in all three cannot
/// be told apart: the driver gives it the same id and its MIG devices the same UUIDs.
/// </para>
/// <para>
/// A member that calls the driver throws <see cref="NvmlNotFoundException"/> if the instance is gone, another <see cref="NvmlException"/>
/// if the call fails, and <see cref="ObjectDisposedException"/> once the session is closed. Members document only other exceptions, and
/// special causes.
/// </para>
/// </remarks>
public sealed class GpuInstance
{
    private volatile bool _destroyed;

    internal GpuInstance(GpuDevice device, NativeGpuInstance native, GpuInstanceProfile profile)
    {
        Device = device;
        Native = native;
        Profile = profile;
    }

    internal NativeGpuInstance Native { get; }

    /// <summary>The GPU that it is a part of.</summary>
    public GpuDevice Device { get; }

    /// <summary>The id, which follows from the placement: the same place always gives the same id.</summary>
    public int Id => Native.Info.Id;

    /// <summary>The profile that it was created from.</summary>
    public GpuInstanceProfile Profile { get; }

    /// <summary>Its memory slices of the GPU.</summary>
    public Placement Placement => Native.Info.Placement;

    /// <summary>
    /// The compute instance profiles that it offers, small ones first. Read once for each GPU instance profile of a GPU.
    /// </summary>
    public IReadOnlyList<ComputeInstanceProfile> GetComputeInstanceProfiles()
    {
        ThrowIfDestroyed(NvmlFunction.GetComputeInstanceProfile);
        return Device.Catalog.GetComputeProfiles(this);
    }

    /// <summary>
    /// The profile of the compute instance that takes the whole GPU instance, which nvidia-smi marks with a star: the one with the
    /// most slices, then the most multiprocessors, then the lowest number.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">There is none.</exception>
    public ComputeInstanceProfile GetDefaultComputeInstanceProfile() =>
        ProfileMatch.Whole(GetComputeInstanceProfiles()) ?? throw NvmlErrors.Refused(
            NvmlReturnCode.NotSupported,
            NvmlFunction.GetComputeInstanceProfile,
            $"The driver offers no compute instance profile in {this}");

    /// <summary>The compute instance profile with an id.</summary>
    /// <param name="id">The id that nvidia-smi shows.</param>
    /// <exception cref="NvmlException">The GPU instance has no such profile (<see cref="NvmlReturnCode.InvalidArgument"/>).</exception>
    public ComputeInstanceProfile GetComputeInstanceProfile(int id)
    {
        IReadOnlyList<ComputeInstanceProfile> profiles = GetComputeInstanceProfiles();
        return profiles.FirstOrDefault(p => p.Id == id) ?? throw Refused($"{this} has no compute instance profile {id}", ItHas(profiles));
    }

    /// <summary>The compute instance profile that an operator means.</summary>
    /// <param name="nameOrId">
    /// A name (<c>1c.3g.20gb</c>, or <c>3g.20gb</c> for the whole GPU instance; see <see cref="ProfileName"/>), the slices alone
    /// (<c>1c</c>), or an id (<c>0</c>). Only the id tells profiles of the same name apart, as 0 and 7 in the 2g of an H100.
    /// </param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="NvmlException">
    /// The GPU instance has no such profile, or more than one of that name (<see cref="NvmlReturnCode.InvalidArgument"/>; the message
    /// lists the choice).
    /// </exception>
    public ComputeInstanceProfile GetComputeInstanceProfile(string nameOrId)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(nameOrId);
        IReadOnlyList<ComputeInstanceProfile> profiles = GetComputeInstanceProfiles();
        IReadOnlyList<ComputeInstanceProfile> found = ProfileMatch.FindInside(Profile, profiles, nameOrId);
        if (found.Count == 1)
            return found[0];
        if (found.Count == 0)
            throw Refused($"{this} has no compute instance profile '{nameOrId}'", ItHas(profiles));
        IEnumerable<string> choices = found.Select(p => $"{p.Id} ({p.Name}, {p.MultiprocessorCount} SM)");
        throw Refused($"{this} has {found.Count} compute instance profiles '{nameOrId}'", $"Choose by id: {string.Join(", ", choices)}.");
    }

    /// <summary>
    /// The places for compute instances of a profile in this GPU instance, occupied or not. Read once for each GPU instance profile of a
    /// GPU.
    /// </summary>
    /// <param name="profile">A profile of this GPU instance.</param>
    /// <returns>Placements in compute slices, by start.</returns>
    /// <exception cref="ArgumentException">It is a profile of another kind of GPU instance.</exception>
    public IReadOnlyList<Placement> GetPossiblePlacements(ComputeInstanceProfile profile)
    {
        const string function = NvmlFunction.GetComputeInstancePlacements;
        ThrowIfDestroyed(function);
        RequireOwn(profile);
        return Device.Catalog.GetComputePlacements(Profile, profile, () => Ask(function, () => Native.GetPossiblePlacements(profile)));
    }

    /// <summary>How many more compute instances of a profile can be created as things stand.</summary>
    /// <inheritdoc cref="GetPossiblePlacements"/>
    /// <returns>The number.</returns>
    public int GetRemainingCapacity(ComputeInstanceProfile profile)
    {
        const string function = NvmlFunction.GetComputeInstanceCapacity;
        ThrowIfDestroyed(function);
        RequireOwn(profile);
        return Ask(function, () => Native.GetRemainingCapacity(profile));
    }

    /// <summary>The capabilities of a profile's compute instances beyond their size. One native call.</summary>
    /// <inheritdoc cref="GetPossiblePlacements"/>
    /// <returns>The capabilities; none on drivers that do not report them, as R550 and older.</returns>
    public ComputeInstanceCapabilities GetCapabilities(ComputeInstanceProfile profile)
    {
        const string function = NvmlFunction.GetComputeInstanceProfile;
        ThrowIfDestroyed(function);
        RequireOwn(profile);
        ThrowIfGone(function);
        return (ComputeInstanceCapabilities)Native.GetCapabilities(profile);
    }

    /// <summary>
    /// Creates a compute instance, and with it a MIG device. Needs root or the MIG config capability.
    /// </summary>
    /// <param name="profile">A profile of this GPU instance; by default the one that takes the whole of it.</param>
    /// <param name="placement">Where, of <see cref="GetPossiblePlacements"/>; by default the driver chooses.</param>
    /// <exception cref="ArgumentException">It is a profile of another kind of GPU instance.</exception>
    /// <exception cref="NvmlInsufficientResourcesException">There is no room in the GPU instance.</exception>
    /// <exception cref="NvmlInUseException">The placement is taken.</exception>
    public ComputeInstance CreateComputeInstance(ComputeInstanceProfile? profile = null, Placement? placement = null)
    {
        ThrowIfDestroyed(NvmlFunction.CreateComputeInstance);
        if (profile is null)
            profile = GetDefaultComputeInstanceProfile();
        else
            RequireOwn(profile);
        return CreateComputeInstance(profile, placement, isJustCreated: false);
    }

    /// <summary>
    /// The same with a profile that is known to be right, and, for an instance that the caller has just created, without asking whether it
    /// still exists.
    /// </summary>
    internal ComputeInstance CreateComputeInstance(ComputeInstanceProfile profile, Placement? placement, bool isJustCreated)
    {
        if (!isJustCreated)
            ThrowIfGone(NvmlFunction.CreateComputeInstance);
        NativeChange change = Native.CreateComputeInstance(profile, placement, out NativeComputeInstance created);
        if (!change.Succeeded)
            throw CreationFailed(profile, placement, change);
        Explanation.ThrowIfOther(created.Info, profile.Id, placement, change, $"compute instance {profile.Name} in {Native.Description}");
        if (Native.Session.LogsChanges)
        {
            InstanceInfo info = created.Info;
            Log.ComputeInstanceCreated(
                Native.Session.Logger, info.Id, profile.Name, info.Placement, Native.Description, change.Took.TotalMilliseconds);
        }

        return new ComputeInstance(this, created, profile);
    }

    /// <summary>
    /// The compute instances in this GPU instance, by id. Needs root or the MIG monitor or config capability. One native call for each
    /// profile and one for each instance.
    /// </summary>
    public IReadOnlyList<ComputeInstance> GetComputeInstances()
    {
        const string function = NvmlFunction.GetComputeInstances;
        ThrowIfDestroyed(function);
        List<ComputeInstance> instances = [];
        foreach (ComputeInstanceProfile profile in GetComputeInstanceProfiles())
        {
            foreach (NativeComputeInstance native in Ask(function, () => Native.GetComputeInstances(profile)))
                instances.Add(new ComputeInstance(this, native, profile));
        }

        instances.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        return [.. instances];
    }

    /// <summary>
    /// The compute instance with an id. Needs root or the MIG monitor or config capability. Two native calls, once the profiles are known.
    /// </summary>
    /// <param name="id">The id within this GPU instance, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is negative.</exception>
    /// <exception cref="NvmlNotFoundException">There is none, or the GPU instance is gone.</exception>
    public ComputeInstance GetComputeInstance(int id)
    {
        const string function = NvmlFunction.GetComputeInstance;
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ThrowIfDestroyed(function);
        NativeComputeInstance native;
        try
        {
            native = Native.GetComputeInstanceById(id);
        }
        catch (NvmlException e) when (e.Code == NvmlReturnCode.InvalidArgument)
        {
            ThrowIfGone(function); // as in Ask
            throw;
        }

        return new ComputeInstance(this, native, GetComputeInstanceProfile(native.Info.ProfileId));
    }

    /// <summary>
    /// Samples the performance counters of the instance (0.2 to 0.5 ms on an H200). Metrics are of two samples:
    /// <see cref="GpmSample.GetMetricsSince"/>.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has none: see <see cref="GpuDevice.IsGpmSupported"/>.</exception>
    public GpmSample TakeGpmSample()
    {
        const string function = NvmlFunction.TakeGpmSample;
        ThrowIfGone(function);
        return Ask(function, () => Device.TakeGpmSample(Native.Info));
    }

    /// <summary>
    /// Destroys the instance. Needs root or the MIG config capability. Its compute instances must be destroyed before, and no process
    /// may use it. Three native calls: whether it is still the same, the change, and whether it is gone.
    /// </summary>
    /// <exception cref="NvmlInUseException">It still has compute instances, or something uses it; nothing changed.</exception>
    /// <exception cref="NvmlException">
    /// It cannot be destroyed, or the driver reports a success and it remains (<see cref="NvmlReturnCode.Unknown"/>). A call that fails can
    /// have destroyed it: the message says so, and <see cref="Exists"/>.
    /// </exception>
    public void Destroy() => Destroy(readBack: true);

    /// <summary>Whether the instance is still there, and no other in its place. One native call.</summary>
    public bool Exists() => !_destroyed && Native.Exists();

    /// <summary>Without <paramref name="readBack"/>, the caller reads the GPU afterwards.</summary>
    internal void Destroy(bool readBack)
    {
        ThrowIfGone(NvmlFunction.DestroyGpuInstance);
        NativeChange change = Native.Destroy(readBack, out bool? remains);
        _destroyed = remains is false || (change.Succeeded && remains is null);
        if (_destroyed)
            Device.Destroyed.AddOrUpdate(Id, 1, static (_, count) => count + 1);
        if (!_destroyed || !change.Succeeded)
        {
            (string? Why, bool IsTransient)? inUse = change.Code == NvmlReturnCode.InUse ? Explanation.WhyInUse(this) : null;
            throw Explanation.NotDestroyed(Native.Session, change, remains, Native.Description, ToString(), inUse?.Why, inUse?.IsTransient);
        }

        if (Native.Session.LogsChanges)
            Log.GpuInstanceDestroyed(Native.Session.Logger, Native.Description, change.Took.TotalMilliseconds);
    }

    /// <summary><c>GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-...)</c></summary>
    public override string ToString() => $"GPU instance {Id} ({Profile.Name} at {Placement}) of {Device}";

    /// <summary>As <see cref="TakeGpmSample"/>, without asking first whether the instance is still there.</summary>
    internal GpmSample TakeGpmSampleUnchecked() => Device.TakeGpmSample(Native.Info);

    /// <summary>Whether the instance was destroyed through this object.</summary>
    internal bool IsDestroyed => _destroyed;

    /// <summary>Throws if the instance was destroyed through this object, without a native call.</summary>
    internal void ThrowIfDestroyed(string function)
    {
        if (_destroyed)
            throw NvmlErrors.Gone(function, ToString());
    }

    /// <summary>Throws if the instance is gone, or another stands in its place.</summary>
    internal void ThrowIfGone(string function)
    {
        ThrowIfDestroyed(function);
        if (!Native.Exists())
            throw NvmlErrors.Gone(function, ToString());
    }

    private static NvmlException Refused(string statement, string advice) =>
        NvmlErrors.Refused(NvmlReturnCode.InvalidArgument, NvmlFunction.GetComputeInstanceProfile, statement, advice);

    private static string ItHas(IEnumerable<ComputeInstanceProfile> profiles) =>
        $"It has: {string.Join(", ", profiles.Select(p => $"{p.Name} ({p.Id})"))}.";

    /// <summary>
    /// To a handle that leads nowhere, the driver says INVALID_ARGUMENT; callers hear that the instance is gone. It can go between the
    /// question whether it exists and the call.
    /// </summary>
    private T Ask<T>(string function, Func<T> call)
    {
        try
        {
            return call();
        }
        catch (NvmlException e) when (e.Code is NvmlReturnCode.InvalidArgument or NvmlReturnCode.NotFound)
        {
            ThrowIfGone(function);
        }

        // It exists. One refused call does not make anything disappear: ask again.
        try
        {
            return call();
        }
        catch (NvmlNotFoundException e)
        {
            throw NvmlErrors.AsUnreadable(e);
        }
    }

    private void RequireOwn(ComputeInstanceProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        if (!GetComputeInstanceProfiles().Contains(profile))
        {
            throw new ArgumentException(
                $"{profile.Name} (profile {profile.Id}) is not a compute instance profile of {this}: "
                + "take profiles from the GPU instance that you use them in.",
                nameof(profile));
        }
    }

    private NvmlException CreationFailed(ComputeInstanceProfile profile, Placement? placement, NativeChange change)
    {
        NativeSession session = Native.Session;
        if (change.Function == NvmlFunction.GetComputeInstanceInfo)
        {
            Log.ComputeInstanceCreatedUnread(session.Logger, profile.Name, Native.Description);
            return session.Error(
                change.Code,
                change.Function,
                $"read back the compute instance {profile.Name} that the driver has just created in {Native.Description}",
                "List the compute instances to find it.");
        }

        if (change.Code is NvmlReturnCode.InvalidArgument or NvmlReturnCode.NotFound)
            ThrowIfGone(change.Function); // as in Ask
        string where = placement is { } at ? $" at {at}" : "";
        return session.Error(
            change.Code,
            change.Function,
            $"create a compute instance {profile.Name} (profile {profile.Id}){where} in {Native.Description}",
            change.Code switch
            {
                NvmlReturnCode.InsufficientResources => "The GPU instance has no free compute slices for it.",
                NvmlReturnCode.InvalidArgument => "It cannot be placed there; places are in compute slices of the GPU instance.",
                NvmlReturnCode.InUse when placement is not null => "Another compute instance has one of these slices.",
                NvmlReturnCode.InUse or NvmlReturnCode.NoPermission => null,
                _ => Explanation.AfterFailedCreation(this, profile, placement, change.Code),
            });
    }
}
