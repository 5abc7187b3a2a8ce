using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// A GPU instance: a part of a GPU with memory and engines of its own. Compute instances in it make it usable.
/// </summary>
/// <remarks>
/// The instance belongs to the machine, not to this object: it lives on when the object is forgotten, and other processes can
/// destroy it. Every change made through this object first asks the driver whether the instance is still the one that was found,
/// with the same id, profile and placement; if it is not, it throws <see cref="NvmlNotFoundException"/> and touches nothing. Only who replaces
/// it within the microseconds between that question and the change is not noticed.
/// A successor that is alike in all three cannot be told apart: the driver gives it the same id and its MIG devices the same UUIDs.
/// </remarks>
public sealed class GpuInstance
{
    private readonly NativeGpuInstance _native;
    private volatile bool _destroyed;

    internal GpuInstance(GpuDevice device, NativeGpuInstance native, InstanceInfo info, GpuInstanceProfile profile)
    {
        Device = device;
        _native = native;
        Info = info;
        Profile = profile;
    }

    /// <summary>What the driver said it is when it was found.</summary>
    internal InstanceInfo Info { get; }

    /// <summary>The GPU that it is a part of.</summary>
    public GpuDevice Device { get; }

    /// <summary>The id, which follows from the placement: the same place always gives the same id.</summary>
    public int Id => Info.Id;

    /// <summary>The profile that it was created from.</summary>
    public GpuInstanceProfile Profile { get; }

    /// <summary>The memory slices of the GPU that it has.</summary>
    public Placement Placement => Info.Placement;

    /// <summary>
    /// The compute instance profiles that it offers, small ones first. Read once for each GPU instance profile of a GPU.
    /// </summary>
    /// <exception cref="NvmlNotFoundException">The instance is gone.</exception>
    /// <exception cref="NvmlException">The profiles cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<ComputeInstanceProfile> GetComputeInstanceProfiles()
    {
        ThrowIfDestroyed("nvmlGpuInstanceGetComputeInstanceProfileInfoV");
        return Device.GetComputeInstanceProfiles(this, _native);
    }

    /// <summary>
    /// The profile of the compute instance that takes the whole GPU instance, which nvidia-smi marks with a star: the one with the
    /// most slices, then the most multiprocessors, then the lowest number.
    /// </summary>
    /// <exception cref="NvmlNotFoundException">The instance is gone.</exception>
    /// <exception cref="NvmlNotSupportedException">There is none.</exception>
    /// <exception cref="NvmlException">The profiles cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public ComputeInstanceProfile GetDefaultComputeInstanceProfile() =>
        ProfileMatch.Whole(GetComputeInstanceProfiles()) ?? throw new NvmlNotSupportedException(
            NvmlReturnCode.NotSupported,
            "nvmlGpuInstanceGetComputeInstanceProfileInfoV",
            $"The driver offers no compute instance profile in {this}.",
            null);

    /// <summary>The compute instance profile with an id.</summary>
    /// <param name="id">The id that nvidia-smi shows.</param>
    /// <exception cref="NvmlNotFoundException">The instance is gone.</exception>
    /// <exception cref="NvmlException">
    /// The GPU instance has no such profile (<see cref="NvmlReturnCode.InvalidArgument"/>), or the profiles cannot be read.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public ComputeInstanceProfile GetComputeInstanceProfile(int id)
    {
        IReadOnlyList<ComputeInstanceProfile> profiles = GetComputeInstanceProfiles();
        return profiles.FirstOrDefault(p => p.Id == id) ?? throw new NvmlException(
            NvmlReturnCode.InvalidArgument,
            "nvmlGpuInstanceGetComputeInstanceProfileInfoV",
            $"{this} has no compute instance profile {id} (NVML_ERROR_INVALID_ARGUMENT, 2). It has: {string.Join(", ", profiles.Select(p => $"{p.Name} ({p.Id})"))}.");
    }

    /// <summary>The compute instance profile that an operator means.</summary>
    /// <param name="nameOrId">
    /// A name (<c>1c.3g.20gb</c>, or <c>3g.20gb</c> for the whole GPU instance; see <see cref="ProfileName"/>), the slices alone
    /// (<c>1c</c>), or an id (<c>0</c>). Only the id tells profiles of the same name apart, as 0 and 7 in the 2g of an H100.
    /// </param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="NvmlNotFoundException">The instance is gone.</exception>
    /// <exception cref="NvmlException">
    /// The GPU instance has no such profile, or more than one of that name (<see cref="NvmlReturnCode.InvalidArgument"/>; the message
    /// lists those to choose from), or they cannot be read.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public ComputeInstanceProfile GetComputeInstanceProfile(string nameOrId)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(nameOrId);
        IReadOnlyList<ComputeInstanceProfile> profiles = GetComputeInstanceProfiles();
        IReadOnlyList<ComputeInstanceProfile> found = ProfileMatch.FindInside(Profile, profiles, nameOrId);
        if (found.Count == 1)
            return found[0];
        throw new NvmlException(
            NvmlReturnCode.InvalidArgument,
            "nvmlGpuInstanceGetComputeInstanceProfileInfoV",
            found.Count > 1
                ? $"{this} has {found.Count} compute instance profiles '{nameOrId}' (NVML_ERROR_INVALID_ARGUMENT, 2). Choose by id: {string.Join(", ", found.Select(p => $"{p.Id} ({p.Name}, {p.MultiprocessorCount} SM)"))}."
                : $"{this} has no compute instance profile '{nameOrId}' (NVML_ERROR_INVALID_ARGUMENT, 2). It has: {string.Join(", ", profiles.Select(p => $"{p.Name} ({p.Id})"))}.");
    }

    /// <summary>Where in this GPU instance compute instances of a profile can stand, occupied or not. Read once for each GPU instance profile of a GPU.</summary>
    /// <param name="profile">A profile of this GPU instance.</param>
    /// <returns>Placements in compute slices, by start.</returns>
    /// <exception cref="ArgumentException">It is a profile of another kind of GPU instance.</exception>
    /// <exception cref="NvmlNotFoundException">The instance is gone.</exception>
    /// <exception cref="NvmlException">The placements cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<Placement> GetPossiblePlacements(ComputeInstanceProfile profile)
    {
        const string function = "nvmlGpuInstanceGetComputeInstancePossiblePlacements";
        ThrowIfDestroyed(function);
        RequireOwn(profile);
        return Device.GetComputePlacements(Profile, profile, () => Ask(function, () => _native.GetPossiblePlacements(profile, Id)));
    }

    /// <summary>How many more compute instances of a profile can be created as things stand.</summary>
    /// <param name="profile">A profile of this GPU instance.</param>
    /// <exception cref="ArgumentException">It is a profile of another kind of GPU instance.</exception>
    /// <exception cref="NvmlNotFoundException">The instance is gone.</exception>
    /// <exception cref="NvmlException">The capacity cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public int GetRemainingCapacity(ComputeInstanceProfile profile)
    {
        const string function = "nvmlGpuInstanceGetComputeInstanceRemainingCapacity";
        ThrowIfDestroyed(function);
        RequireOwn(profile);
        return Ask(function, () => _native.GetRemainingCapacity(profile, Id));
    }

    /// <summary>
    /// Creates a compute instance, and with it a MIG device. Needs root or the MIG config capability.
    /// </summary>
    /// <param name="profile">A profile of this GPU instance; by default the one that takes the whole of it.</param>
    /// <param name="placement">Where, of <see cref="GetPossiblePlacements"/>; by default the driver chooses.</param>
    /// <exception cref="ArgumentException">It is a profile of another kind of GPU instance.</exception>
    /// <exception cref="NvmlInsufficientResourcesException">There is no room in the GPU instance.</exception>
    /// <exception cref="NvmlInUseException">The placement is taken.</exception>
    /// <exception cref="NvmlNotFoundException">The GPU instance is gone.</exception>
    /// <exception cref="NvmlNoPermissionException">The caller may not create instances.</exception>
    /// <exception cref="NvmlException">The instance cannot be created for another reason.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public ComputeInstance CreateComputeInstance(ComputeInstanceProfile? profile = null, Placement? placement = null)
    {
        const string function = "nvmlGpuInstanceCreateComputeInstance";
        ThrowIfDestroyed(function);
        if (profile is null)
            profile = GetDefaultComputeInstanceProfile();
        else
            RequireOwn(profile);
        return CreateComputeInstance(profile, placement, isJustCreated: false);
    }

    /// <summary>
    /// The same with a profile that is known to be right, and for who has just created this instance without asking whether it is still
    /// there: nothing has happened since that the answer could tell of.
    /// </summary>
    internal ComputeInstance CreateComputeInstance(ComputeInstanceProfile profile, Placement? placement, bool isJustCreated)
    {
        const string function = "nvmlGpuInstanceCreateComputeInstance";
        if (!isJustCreated)
            ThrowIfGone(function);
        (NativeComputeInstance native, InstanceInfo created) = Ask(
            function, () => (_native.CreateComputeInstance(profile, placement, Id, out InstanceInfo info), info));
        return new ComputeInstance(this, native, created, profile);
    }

    /// <summary>
    /// The compute instances in this GPU instance, by id. Needs root or the MIG monitor or config capability. One native call for each profile
    /// and one for each instance.
    /// </summary>
    /// <exception cref="NvmlNotFoundException">The GPU instance is gone.</exception>
    /// <exception cref="NvmlNoPermissionException">The caller may not see compute instances.</exception>
    /// <exception cref="NvmlException">The instances cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<ComputeInstance> GetComputeInstances()
    {
        const string function = "nvmlGpuInstanceGetComputeInstances";
        ThrowIfDestroyed(function);
        List<ComputeInstance> instances = [];
        foreach (ComputeInstanceProfile profile in GetComputeInstanceProfiles())
        {
            foreach (NativeComputeInstance native in Ask(function, () => _native.GetComputeInstances(profile, Id)))
            {
                if (native.TryGetInfo() is { } info)
                    instances.Add(new ComputeInstance(this, native, info, profile));
            }
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
    /// <exception cref="NvmlNoPermissionException">The caller may not see compute instances.</exception>
    /// <exception cref="NvmlException">The instance cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public ComputeInstance GetComputeInstance(int id)
    {
        const string function = "nvmlGpuInstanceGetComputeInstanceById";
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ThrowIfDestroyed(function);
        NativeComputeInstance native = Ask(function, () => _native.GetComputeInstanceById(id, Id));
        InstanceInfo info = native.TryGetInfo() ?? throw GpuDevice.Gone(function, $"compute instance {id} of {this}");
        return new ComputeInstance(this, native, info, GetComputeInstanceProfile(info.ProfileId));
    }

    /// <summary>What compute instances of a profile can do beyond their size. One native call.</summary>
    /// <param name="profile">A profile of this GPU instance.</param>
    /// <returns>The capabilities; none on drivers that do not tell, as R550 and older.</returns>
    /// <exception cref="ArgumentException">It is a profile of another kind of GPU instance.</exception>
    /// <exception cref="NvmlNotFoundException">The instance is gone.</exception>
    /// <exception cref="NvmlException">The capabilities cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public ComputeInstanceCapabilities GetCapabilities(ComputeInstanceProfile profile)
    {
        const string function = "nvmlGpuInstanceGetComputeInstanceProfileInfoV";
        ThrowIfDestroyed(function);
        RequireOwn(profile);
        ThrowIfGone(function);
        return (ComputeInstanceCapabilities)_native.GetCapabilities(profile, Id);
    }

    /// <summary>
    /// Samples the performance counters of the instance (0.2 to 0.5 ms on an H200). Metrics are of two samples:
    /// <see cref="GpmSample.GetMetricsSince"/>.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has none: see <see cref="GpuDevice.IsGpmSupported"/>.</exception>
    /// <exception cref="NvmlNotFoundException">The instance is gone.</exception>
    /// <exception cref="NvmlException">They cannot be read; <see cref="NvmlReturnCode.FunctionNotFound"/> on drivers that are too old.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpmSample TakeGpmSample()
    {
        ThrowIfGone("nvmlGpmMigSampleGet");
        return Device.TakeGpmSample(Id);
    }

    /// <summary>
    /// Destroys the instance. Needs root or the MIG config capability. Its compute instances must be destroyed before, and no process
    /// may use it.
    /// </summary>
    /// <exception cref="NvmlInUseException">It still has compute instances, or something uses it; nothing changed.</exception>
    /// <exception cref="NvmlNotFoundException">The instance is gone already.</exception>
    /// <exception cref="NvmlNoPermissionException">The caller may not destroy instances.</exception>
    /// <exception cref="NvmlException">The instance cannot be destroyed for another reason.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public void Destroy()
    {
        const string function = "nvmlGpuInstanceDestroy";
        ThrowIfDestroyed(function);
        try
        {
            _native.Destroy(this, Info, static instance => instance.WhyInUse());
        }
        catch (NvmlException e) when (e.Code == NvmlReturnCode.InvalidArgument)
        {
            ThrowIfGone(function); // as in Ask
            throw;
        }

        _destroyed = true;
    }

    /// <summary><c>GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-...)</c></summary>
    public override string ToString() => $"GPU instance {Id} ({Profile.Name} at {Placement}) of {Device}";

    /// <summary>Throws if the instance was destroyed through this object, without a native call.</summary>
    internal void ThrowIfDestroyed(string function)
    {
        if (_destroyed)
            throw GpuDevice.Gone(function, ToString());
    }

    /// <summary>Throws if the instance is gone, or another stands in its place.</summary>
    internal void ThrowIfGone(string function)
    {
        ThrowIfDestroyed(function);
        if (_native.TryGetInfo() != Info)
            throw GpuDevice.Gone(function, ToString());
    }

    /// <summary>
    /// To a handle that leads nowhere, the driver says INVALID_ARGUMENT; callers hear what that means. An instance can go between the question
    /// whether it is there and the call.
    /// </summary>
    private T Ask<T>(string function, Func<T> call)
    {
        try
        {
            return call();
        }
        catch (NvmlException e) when (e.Code == NvmlReturnCode.InvalidArgument)
        {
            ThrowIfGone(function);
            throw;
        }
    }

    private void RequireOwn(ComputeInstanceProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        if (!GetComputeInstanceProfiles().Contains(profile))
        {
            throw new ArgumentException(
                $"{profile.Name} (profile {profile.Id}) is not a compute instance profile of {this}: take profiles from the GPU instance that you use them in.",
                nameof(profile));
        }
    }

    /// <summary>What is in the way of destroying it, and whether it may go by itself.</summary>
    private (string? Why, bool IsTransient) WhyInUse()
    {
        try
        {
            IReadOnlyList<ComputeInstance> inside = GetComputeInstances();
            return inside.Count switch
            {
                0 => (Device.WhoUses(Id, null), true),
                1 => ($"It still has compute instance {inside[0].Id}: destroy that first.", false),
                _ => ($"It still has compute instances {string.Join(", ", inside.Select(c => c.Id))}: destroy them first.", false),
            };
        }
        catch (Exception e) when (e is NvmlException or ObjectDisposedException)
        {
            return (null, true); // What cannot be explained must not hide what failed.
        }
    }
}
