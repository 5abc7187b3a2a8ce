using System.Diagnostics;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A GPU instance: the checked calls on its handle.</summary>
/// <param name="gpu">Its GPU.</param>
/// <param name="handle">Its handle.</param>
/// <param name="info">The driver's description of it when it was found.</param>
internal readonly unsafe struct NativeGpuInstance(NativeGpu gpu, nvmlGpuInstance_t handle, InstanceInfo info)
{
    /// <summary>Room for the compute instances of any profile; the driver has at most 8 in a GPU instance.</summary>
    private const int MaxInstances = 64;

    /// <summary>As for GPU instances: larger than any answer.</summary>
    private const int MaxPlacements = 256;

    /// <summary>As for GPU instances.</summary>
    private const int MaxLists = 3;

    public NativeGpu Gpu => gpu;

    public NativeSession Session => gpu.Session;

    public InstanceInfo Info => info;

    /// <summary>"GPU instance 2 of GPU 0 (GPU-...)", for messages.</summary>
    public string Description => $"GPU instance {info.Id} of {gpu.Description}";

    /// <summary>The driver's description of the instance that a handle leads to, unchecked, in the caller's scope.</summary>
    public static nvmlReturn_t Read(nvmlGpuInstance_t handle, out InstanceInfo info)
    {
        nvmlGpuInstanceInfo_t native = default;
        nvmlReturn_t result = nvmlGpuInstanceGetInfo(handle, &native);
        info = new InstanceInfo(
            (int)native.id, (int)native.profileId, new Placement((int)native.placement.start, (int)native.placement.size));
        return result;
    }

    /// <summary>Whether the handle still leads to the instance that was found, and not to none or to another.</summary>
    public bool Exists()
    {
        using CallScope scope = Session.Enter();
        return ExistsInScope();
    }

    /// <summary>
    /// Destroys the instance that the handle leads to. Reads it back if the call fails, and if <paramref name="readBack"/>: then
    /// <paramref name="remains"/> is set.
    /// </summary>
    public NativeChange Destroy(bool readBack, out bool? remains)
    {
        using CallScope scope = Session.Enter();
        long started = Stopwatch.GetTimestamp();
        NvmlReturnCode code = (NvmlReturnCode)nvmlGpuInstanceDestroy(handle);
        NativeChange change =
            new NativeChange(code, nameof(nvmlGpuInstanceDestroy), Stopwatch.GetElapsedTime(started)).Record("destroy_gpu_instance");
        remains = !change.Succeeded ? TryExists()
            : !readBack ? null
            // The driver says that it is gone, and so does a handle that is refused: one call is enough.
            : Read(handle, out InstanceInfo now) is var result && result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND ? false
            : result == NVML_SUCCESS ? now == info
            : ExistsInScope();
        return change;
    }

    /// <summary>
    /// The compute instance profile with a number; null, and <paramref name="end"/> true behind the last number that the driver
    /// knows.
    /// </summary>
    public ComputeInstanceProfile? GetComputeInstanceProfile(uint number, GpuInstanceProfile own, out bool end)
    {
        using CallScope scope = Session.Enter();
        nvmlComputeInstanceProfileInfo_v2_t native = default;
        nvmlReturn_t result = NVML_SUCCESS;
        string function = nameof(nvmlGpuInstanceGetComputeInstanceProfileInfoV);
        bool named = !gpu.KnowsNoComputeProfileVersion && Session.Library.Has(function);
        if (named)
        {
            native.version = nvmlComputeInstanceProfileInfo_v2_t.Version;
            result = nvmlGpuInstanceGetComputeInstanceProfileInfoV(handle, number, NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, &native);
            // As for GPU instances: it is the version of the struct that the driver does not know.
            named = number != 0 || result != NVML_ERROR_INVALID_ARGUMENT;
        }

        if (!named)
        {
            function = nameof(nvmlGpuInstanceGetComputeInstanceProfileInfo);
            Session.Require(function, "read the compute instance profiles of", gpu.Description);
            nvmlComputeInstanceProfileInfo_t old;
            result = nvmlGpuInstanceGetComputeInstanceProfileInfo(handle, number, NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, &old);
            gpu.KnowsNoComputeProfileVersion = result != NVML_ERROR_INVALID_ARGUMENT;
            native = FromVersion1(old);
        }

        end = result == NVML_ERROR_INVALID_ARGUMENT;
        if (end || result == NVML_ERROR_NOT_SUPPORTED)
            return null;
        if (result != NVML_SUCCESS)
            throw Session.Error(result, function, $"read compute instance profile number {number} in {Description}");
        return new ComputeInstanceProfile
        {
            Number = (int)number,
            Id = (int)native.id,
            Name = named
                ? ProfileNames.WithoutMig(NativeText.Read(native.name, NVML_DEVICE_NAME_V2_BUFFER_SIZE))
                : ProfileNames.ComposeCompute(own, native.sliceCount),
            SliceCount = (int)native.sliceCount,
            MaxInstances = (int)native.instanceCount,
            MultiprocessorCount = (int)native.multiprocessorCount,
            SharedCopyEngineCount = (int)native.sharedCopyEngineCount,
            SharedDecoderCount = (int)native.sharedDecoderCount,
            SharedEncoderCount = (int)native.sharedEncoderCount,
            SharedJpegCount = (int)native.sharedJpegCount,
            SharedOfaCount = (int)native.sharedOfaCount,
        };
    }

    /// <summary>Version 3 of the profile's information; 0 on drivers that do not have it.</summary>
    public uint GetCapabilities(ComputeInstanceProfile profile)
    {
        using CallScope scope = Session.Enter();
        const string function = nameof(nvmlGpuInstanceGetComputeInstanceProfileInfoV);
        if (!Session.Library.Has(function))
            return 0;
        nvmlComputeInstanceProfileInfo_v3_t native = new() { version = nvmlComputeInstanceProfileInfo_v3_t.Version };
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstanceProfileInfoV(
            handle, (uint)profile.Number, NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, (nvmlComputeInstanceProfileInfo_v2_t*)&native);
        // As for GPU instances: a version that the driver does not know.
        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
            return 0;
        return result == NVML_SUCCESS
            ? native.capabilities
            : throw Session.Error(result, function, $"read the capabilities of {profile.Name} in {Description}");
    }

    public NativeComputeInstance GetComputeInstanceById(int id)
    {
        using CallScope scope = Session.Enter();
        for (int attempt = 1; ; attempt++)
        {
            nvmlComputeInstance_t found;
            nvmlReturn_t result = nvmlGpuInstanceGetComputeInstanceById(handle, (uint)id, &found);
            if (result != NVML_SUCCESS)
                throw Session.Error(result, nameof(nvmlGpuInstanceGetComputeInstanceById), $"find compute instance {id} of {Description}");
            result = NativeComputeInstance.Read(found, out InstanceInfo read);
            if (result == NVML_SUCCESS)
                return new NativeComputeInstance(this, found, read);
            if (attempt == MaxLists || result is not (NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND))
                throw Session.Error(result, nameof(nvmlComputeInstanceGetInfo_v2), $"read compute instance {id} of {Description}");
        }
    }

    public Placement[] GetPossiblePlacements(ComputeInstanceProfile profile)
    {
        using CallScope scope = Session.Enter();
        const string function = nameof(nvmlGpuInstanceGetComputeInstancePossiblePlacements);
        Session.Require(function, "read compute instance placements on", gpu.Description);
        nvmlComputeInstancePlacement_t* buffer = stackalloc nvmlComputeInstancePlacement_t[MaxPlacements];
        uint count = MaxPlacements;
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstancePossiblePlacements(handle, (uint)profile.Id, buffer, &count);
        if (result != NVML_SUCCESS)
            throw Session.Error(result, function, $"read the placements of {profile.Name} in {Description}");
        Session.CheckCount(count, MaxPlacements, function, "read the placements of a profile on", gpu.Description);
        Placement[] placements = new Placement[count];
        for (int i = 0; i < placements.Length; i++)
            placements[i] = new Placement((int)buffer[i].start, (int)buffer[i].size);
        return placements;
    }

    public int GetRemainingCapacity(ComputeInstanceProfile profile)
    {
        using CallScope scope = Session.Enter();
        const string function = nameof(nvmlGpuInstanceGetComputeInstanceRemainingCapacity);
        uint count;
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstanceRemainingCapacity(handle, (uint)profile.Id, &count);
        return result == NVML_SUCCESS
            ? (int)count
            : throw Session.Error(result, function, $"read the remaining capacity for {profile.Name} in {Description}");
    }

    /// <summary>Creates a compute instance and reads it back.</summary>
    public NativeChange CreateComputeInstance(ComputeInstanceProfile profile, Placement? placement, out NativeComputeInstance created)
    {
        using CallScope scope = Session.Enter();
        long started = Stopwatch.GetTimestamp();
        nvmlComputeInstance_t computeInstance = default;
        nvmlReturn_t result;
        string function;
        if (placement is { } wanted)
        {
            function = nameof(nvmlGpuInstanceCreateComputeInstanceWithPlacement);
            Session.Require(function, "place a compute instance on", gpu.Description);
            nvmlComputeInstancePlacement_t native = new() { start = (uint)wanted.Start, size = (uint)wanted.Size };
            result = nvmlGpuInstanceCreateComputeInstanceWithPlacement(handle, (uint)profile.Id, &native, &computeInstance);
        }
        else
        {
            function = nameof(nvmlGpuInstanceCreateComputeInstance);
            result = nvmlGpuInstanceCreateComputeInstance(handle, (uint)profile.Id, &computeInstance);
        }

        TimeSpan took = Stopwatch.GetElapsedTime(started);
        InstanceInfo read = default;
        if (result == NVML_SUCCESS)
        {
            function = nameof(nvmlComputeInstanceGetInfo_v2);
            result = NativeComputeInstance.Read(computeInstance, out read);
            if (result != NVML_SUCCESS)
                result = NativeComputeInstance.Read(computeInstance, out read); // one failed read must not lose an instance
        }

        created = new NativeComputeInstance(this, computeInstance, read);
        return new NativeChange((NvmlReturnCode)result, function, took).Record("create_compute_instance");
    }

    /// <summary>The compute instances of a profile.</summary>
    public NativeComputeInstance[] GetComputeInstances(ComputeInstanceProfile profile)
    {
        using CallScope scope = Session.Enter();
        nvmlComputeInstance_t* handles = stackalloc nvmlComputeInstance_t[MaxInstances];
        for (int list = 1; ; list++)
        {
            int count = List(profile.Id, handles);
            NativeComputeInstance[] instances = new NativeComputeInstance[count];
            nvmlReturn_t unreadable = NVML_SUCCESS;
            for (int i = 0; i < count; i++)
            {
                nvmlReturn_t result = NativeComputeInstance.Read(handles[i], out InstanceInfo read);
                if (result != NVML_SUCCESS)
                    unreadable = result;
                instances[i] = new NativeComputeInstance(this, handles[i], read);
            }

            if (unreadable == NVML_SUCCESS)
                return instances;
            if (list == MaxLists || unreadable is not (NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND))
            {
                throw Session.Error(
                    unreadable,
                    nameof(nvmlComputeInstanceGetInfo_v2),
                    $"read a compute instance {profile.Name} that is listed in {Description}");
            }
        }
    }

    /// <summary>Whether the list of a profile's compute instances has a handle, in the caller's scope.</summary>
    public bool IsListed(int profileId, nvmlComputeInstance_t computeInstance)
    {
        nvmlComputeInstance_t* handles = stackalloc nvmlComputeInstance_t[MaxInstances];
        int count = List(profileId, handles);
        for (int i = 0; i < count; i++)
        {
            if (handles[i].Value == computeInstance.Value)
                return true;
        }

        return false;
    }

    /// <summary>After a failed call; null if it cannot be read.</summary>
    private bool? TryExists()
    {
        try
        {
            return ExistsInScope();
        }
        catch (NvmlException)
        {
            return null;
        }
    }

    private bool ExistsInScope()
    {
        nvmlReturn_t result = Read(handle, out InstanceInfo now);
        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND)
        {
            // One refused read does not make an instance gone: the list of its profile decides.
            if (!gpu.IsListed(info.ProfileId, handle))
                return false;
            result = Read(handle, out now);
        }

        return result == NVML_SUCCESS ? now == info : throw Session.Error(result, nameof(nvmlGpuInstanceGetInfo), $"read {Description}");
    }

    private static nvmlComputeInstanceProfileInfo_v2_t FromVersion1(nvmlComputeInstanceProfileInfo_t old) => new()
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

    private int List(int profileId, nvmlComputeInstance_t* handles)
    {
        const string function = nameof(nvmlGpuInstanceGetComputeInstances);
        uint count = MaxInstances;
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstances(handle, (uint)profileId, handles, &count);
        if (result != NVML_SUCCESS)
            throw Session.Error(result, function, $"list the compute instances of profile {profileId} in {Description}");
        Session.CheckCount(count, MaxInstances, function, "list the compute instances on", gpu.Description);
        return (int)count;
    }
}
