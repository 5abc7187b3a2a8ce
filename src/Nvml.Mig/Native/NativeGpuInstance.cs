using System.Diagnostics;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A GPU instance: the checked calls on its handle.</summary>
internal readonly unsafe struct NativeGpuInstance(NativeGpu device, nvmlGpuInstance_t handle)
{
    /// <summary>Room for the compute instances of any profile; the driver has at most 8 in a GPU instance.</summary>
    private const int MaxInstances = 64;

    /// <summary>As for GPU instances: larger than any answer.</summary>
    private const int MaxPlacements = 256;

    public NativeGpu Gpu => device;

    public NativeSession Session => device.Session;

    public string DeviceDescription => device.Description;

    /// <summary>"GPU instance 2 of GPU 0 (GPU-...)", for messages.</summary>
    public string Describe(int id) => $"GPU instance {id} of {device.Description}";

    /// <summary>What the handle leads to now; null if that is nothing.</summary>
    public InstanceInfo? TryGetInfo()
    {
        using CallScope lease = Session.CallScope();
        return TryGetInfoInScope();
    }

    /// <summary>The same, for callers that hold a lease.</summary>
    public InstanceInfo? TryGetInfoInScope()
    {
        nvmlReturn_t result = GetInfo(out InstanceInfo info);
        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND)
            return null;
        Session.Check(result, nameof(nvmlGpuInstanceGetInfo), "read a GPU instance of", device.Description);
        return info;
    }

    /// <summary>The same, unchecked.</summary>
    public nvmlReturn_t GetInfo(out InstanceInfo info)
    {
        nvmlGpuInstanceInfo_t native = default;
        nvmlReturn_t result = nvmlGpuInstanceGetInfo(handle, &native);
        info = new InstanceInfo(
            (int)native.id, (int)native.profileId, new Placement((int)native.placement.start, (int)native.placement.size));
        return result;
    }

    /// <summary>
    /// Destroys what the handle leads to, if that is still what was <paramref name="expected"/>. <paramref name="whyInUse"/> is asked only
    /// if it is in use.
    /// </summary>
    public void Destroy(GpuInstance instance, InstanceInfo expected, Func<GpuInstance, (string? Why, bool IsTransient)> whyInUse)
    {
        using CallScope lease = Session.CallScope();
        if (TryGetInfoInScope() != expected)
            throw GpuDevice.Gone(nameof(nvmlGpuInstanceDestroy), instance.ToString());
        bool logged = Session.LogsChanges;
        long started = logged ? Stopwatch.GetTimestamp() : 0;
        nvmlReturn_t result = nvmlGpuInstanceDestroy(handle);
        if (result != NVML_SUCCESS)
        {
            (string? hint, bool? isTransient) = result == NVML_ERROR_IN_USE ? whyInUse(instance) : ((string?)null, (bool?)null);
            throw Session.Error(result, nameof(nvmlGpuInstanceDestroy), $"destroy {Describe(instance.Id)}", hint, isTransient);
        }

        if (logged)
            Log.GpuInstanceDestroyed(Session.Logger, Describe(instance.Id), Stopwatch.GetElapsedTime(started).TotalMilliseconds);
    }

    /// <summary>
    /// The compute instance profile with a number; null, and <paramref name="end"/> true behind the last number that the driver
    /// knows.
    /// </summary>
    public ComputeInstanceProfile? GetComputeInstanceProfile(uint number, GpuInstanceProfile own, int id, out bool end)
    {
        using CallScope lease = Session.CallScope();
        nvmlComputeInstanceProfileInfo_v2_t info = default;
        nvmlReturn_t result = NVML_SUCCESS;
        string function = nameof(nvmlGpuInstanceGetComputeInstanceProfileInfoV);
        bool named = !device.KnowsNoComputeProfileVersion && Session.Library.Has(function);
        if (named)
        {
            info.version = nvmlComputeInstanceProfileInfo_v2_t.Version;
            result = nvmlGpuInstanceGetComputeInstanceProfileInfoV(handle, number, NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, &info);
            // As for GPU instances: it is the version of the struct that the driver does not know.
            named = number != 0 || result != NVML_ERROR_INVALID_ARGUMENT;
        }

        if (!named)
        {
            function = nameof(nvmlGpuInstanceGetComputeInstanceProfileInfo);
            Session.Require(function, "read the compute instance profiles of", device.Description);
            nvmlComputeInstanceProfileInfo_t old;
            result = nvmlGpuInstanceGetComputeInstanceProfileInfo(handle, number, NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, &old);
            device.KnowsNoComputeProfileVersion = result != NVML_ERROR_INVALID_ARGUMENT;
            info = new nvmlComputeInstanceProfileInfo_v2_t
            {
                id = old.id,
                sliceCount = old.sliceCount,
                instanceCount = old.instanceCount,
                multiprocessorCount = old.multiprocessorCount,
                sharedCopyEngineCount = old.sharedCopyEngineCount,
                sharedDecoderCount = old.sharedDecoderCount,
                sharedEncoderCount = old.sharedEncoderCount,
                sharedJpegCount = old.sharedJpegCount,
                sharedOfaCount = old.sharedOfaCount,
            };
        }

        end = result == NVML_ERROR_INVALID_ARGUMENT;
        if (end || result == NVML_ERROR_NOT_SUPPORTED)
            return null;
        if (result != NVML_SUCCESS)
            throw Session.Error(result, function, $"read compute instance profile number {number} in {Describe(id)}");
        return new ComputeInstanceProfile
        {
            Number = (int)number,
            Id = (int)info.id,
            Name = named
                ? ProfileNames.WithoutMig(NativeText.Read(info.name, NVML_DEVICE_NAME_V2_BUFFER_SIZE))
                : ProfileNames.ComposeCompute(own, info.sliceCount),
            SliceCount = (int)info.sliceCount,
            MaxInstances = (int)info.instanceCount,
            MultiprocessorCount = (int)info.multiprocessorCount,
            SharedCopyEngineCount = (int)info.sharedCopyEngineCount,
            SharedDecoderCount = (int)info.sharedDecoderCount,
            SharedEncoderCount = (int)info.sharedEncoderCount,
            SharedJpegCount = (int)info.sharedJpegCount,
            SharedOfaCount = (int)info.sharedOfaCount,
        };
    }

    /// <summary>Version 3 of the profile's information; 0 on drivers that do not have it.</summary>
    public uint GetCapabilities(ComputeInstanceProfile profile, int id)
    {
        using CallScope lease = Session.CallScope();
        if (!Session.Library.Has(nameof(nvmlGpuInstanceGetComputeInstanceProfileInfoV)))
            return 0;
        nvmlComputeInstanceProfileInfo_v3_t info = new() { version = nvmlComputeInstanceProfileInfo_v3_t.Version };
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstanceProfileInfoV(
            handle, (uint)profile.Number, NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, (nvmlComputeInstanceProfileInfo_v2_t*)&info);
        // As for GPU instances: a version that the driver does not know.
        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
            return 0;
        if (result != NVML_SUCCESS)
        {
            throw Session.Error(
                result, nameof(nvmlGpuInstanceGetComputeInstanceProfileInfoV), $"read the capabilities of {profile.Name} in {Describe(id)}");
        }

        return info.capabilities;
    }

    public NativeComputeInstance GetComputeInstanceById(int computeInstance, int id)
    {
        using CallScope lease = Session.CallScope();
        nvmlComputeInstance_t found;
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstanceById(handle, (uint)computeInstance, &found);
        if (result != NVML_SUCCESS)
        {
            throw Session.Error(
                result, nameof(nvmlGpuInstanceGetComputeInstanceById), $"find compute instance {computeInstance} of {Describe(id)}");
        }

        return new NativeComputeInstance(this, found);
    }

    public Placement[] GetPossiblePlacements(ComputeInstanceProfile profile, int id)
    {
        using CallScope lease = Session.CallScope();
        Session.Require(
            nameof(nvmlGpuInstanceGetComputeInstancePossiblePlacements), "read compute instance placements on", device.Description);
        nvmlComputeInstancePlacement_t* buffer = stackalloc nvmlComputeInstancePlacement_t[MaxPlacements];
        uint count = MaxPlacements;
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstancePossiblePlacements(handle, (uint)profile.Id, buffer, &count);
        if (result != NVML_SUCCESS)
        {
            throw Session.Error(
                result,
                nameof(nvmlGpuInstanceGetComputeInstancePossiblePlacements),
                $"read the placements of {profile.Name} in {Describe(id)}");
        }

        Session.CheckCount(
            count, MaxPlacements, nameof(nvmlGpuInstanceGetComputeInstancePossiblePlacements), "read the placements of a profile in", Describe(id));
        Placement[] placements = new Placement[count];
        for (int i = 0; i < placements.Length; i++)
            placements[i] = new Placement((int)buffer[i].start, (int)buffer[i].size);
        return placements;
    }

    public int GetRemainingCapacity(ComputeInstanceProfile profile, int id)
    {
        using CallScope lease = Session.CallScope();
        uint count;
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstanceRemainingCapacity(handle, (uint)profile.Id, &count);
        if (result != NVML_SUCCESS)
        {
            throw Session.Error(
                result,
                nameof(nvmlGpuInstanceGetComputeInstanceRemainingCapacity),
                $"read the remaining capacity for {profile.Name} in {Describe(id)}");
        }

        return (int)count;
    }

    public NativeComputeInstance CreateComputeInstance(ComputeInstanceProfile profile, Placement? placement, int id, out InstanceInfo created)
    {
        using CallScope lease = Session.CallScope();
        bool logged = Session.LogsChanges;
        long started = logged ? Stopwatch.GetTimestamp() : 0;
        nvmlComputeInstance_t computeInstance;
        nvmlReturn_t result;
        string function;
        if (placement is { } wanted)
        {
            function = nameof(nvmlGpuInstanceCreateComputeInstanceWithPlacement);
            Session.Require(function, "place a compute instance on", device.Description);
            nvmlComputeInstancePlacement_t native = new() { start = (uint)wanted.Start, size = (uint)wanted.Size };
            result = nvmlGpuInstanceCreateComputeInstanceWithPlacement(handle, (uint)profile.Id, &native, &computeInstance);
        }
        else
        {
            function = nameof(nvmlGpuInstanceCreateComputeInstance);
            result = nvmlGpuInstanceCreateComputeInstance(handle, (uint)profile.Id, &computeInstance);
        }

        TimeSpan took = logged ? Stopwatch.GetElapsedTime(started) : default;
        if (result != NVML_SUCCESS)
        {
            string where = placement is { } at ? $" at {at}" : "";
            throw Session.Error(
                result,
                function,
                $"create a compute instance {profile.Name} (profile {profile.Id}){where} in {Describe(id)}",
                result switch
                {
                    NVML_ERROR_INSUFFICIENT_RESOURCES => "The GPU instance has no free compute slices for it.",
                    NVML_ERROR_INVALID_ARGUMENT => "It cannot be placed there; places are in compute slices of the GPU instance.",
                    NVML_ERROR_IN_USE when placement is not null => "Another compute instance has one of these slices.",
                    _ => null,
                });
        }

        NativeComputeInstance instance = new(this, computeInstance);
        result = instance.GetInfo(out created);
        if (result != NVML_SUCCESS)
        {
            Log.ComputeInstanceCreatedUnread(Session.Logger, profile.Name, Describe(id));
            throw Session.Error(
                result,
                nameof(nvmlComputeInstanceGetInfo_v2),
                $"read back the compute instance {profile.Name} that was just created in {Describe(id)}",
                "The creation itself succeeded: list the compute instances to find it.");
        }

        if (logged)
            Log.ComputeInstanceCreated(Session.Logger, created.Id, profile.Name, created.Placement, Describe(id), took.TotalMilliseconds);
        return instance;
    }

    public NativeComputeInstance[] GetComputeInstances(ComputeInstanceProfile profile, int id)
    {
        using CallScope lease = Session.CallScope();
        nvmlComputeInstance_t* buffer = stackalloc nvmlComputeInstance_t[MaxInstances];
        uint count = MaxInstances;
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstances(handle, (uint)profile.Id, buffer, &count);
        if (result != NVML_SUCCESS)
        {
            throw Session.Error(
                result, nameof(nvmlGpuInstanceGetComputeInstances), $"list the compute instances {profile.Name} of {Describe(id)}");
        }

        Session.CheckCount(count, MaxInstances, nameof(nvmlGpuInstanceGetComputeInstances), "list the compute instances of", device.Description);
        NativeComputeInstance[] instances = new NativeComputeInstance[count];
        for (int i = 0; i < instances.Length; i++)
            instances[i] = new NativeComputeInstance(this, buffer[i]);
        return instances;
    }
}
