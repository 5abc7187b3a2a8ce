using System.Diagnostics;
using System.Runtime.CompilerServices;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A GPU: the checked calls on its handle.</summary>
internal sealed unsafe partial class NativeGpu : NativeDevice
{
    /// <summary>
    /// Room for the placements of any GPU: the largest known grid has 12 units. Driver 580 writes all of them whatever count it is
    /// given, so that the buffer must be larger than any answer.
    /// </summary>
    private const int MaxPlacements = 256;

    /// <summary>Room for the instances of any profile, whatever the profile says of its own limit.</summary>
    private const int MaxInstances = 64;

    /// <summary>
    /// How often instances are listed while one that is listed cannot be read. Another process may have destroyed it meanwhile; then the
    /// next list is without it.
    /// </summary>
    private const int MaxLists = 3;

    /// <summary>The driver knows no version of the struct of GPU instance profiles.</summary>
    private bool _knowsNoProfileVersion;

    /// <summary>In the caller's scope.</summary>
    public NativeGpu(NativeSession session, nvmlDevice_t handle, uint index)
        : base(session, handle)
    {
        Index = (int)index;
        byte* uuid = stackalloc byte[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
        nvmlReturn_t result = nvmlDeviceGetUUID(handle, uuid, NVML_DEVICE_UUID_V2_BUFFER_SIZE);
        if (result != NVML_SUCCESS)
            throw session.Error(result, nameof(nvmlDeviceGetUUID), $"read the UUID of GPU {index}");
        Uuid = NativeText.Read(uuid, NVML_DEVICE_UUID_V2_BUFFER_SIZE);
        Description = $"GPU {index} ({Uuid})";
    }

    public int Index { get; }

    public string Uuid { get; }

    /// <summary>The driver knows no version of the struct of compute instance profiles, whichever instance was asked.</summary>
    public bool KnowsNoComputeProfileVersion { get; set; }

    public override string Description { get; }

    public PciIdentity GetPci()
    {
        using CallScope scope = Session.Enter();
        nvmlPciInfo_t pci;
        Check(nvmlDeviceGetPciInfo_v3(Handle, &pci), nameof(nvmlDeviceGetPciInfo_v3), "read the PCI ids");
        return new PciIdentity(NativeText.Read(pci.busId, NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE), pci.pciDeviceId, pci.pciSubSystemId);
    }

    /// <summary>Null if the GPU has no MIG mode at all.</summary>
    public MigMode? GetMigMode()
    {
        using CallScope scope = Session.Enter();
        return ReadMigMode();
    }

    /// <summary>
    /// Sets the MIG mode. <paramref name="activation"/> says something only if the call succeeds. Reads the mode back if the call fails,
    /// and if <paramref name="readBack"/>: then <paramref name="reached"/> is set, unless it cannot be read after a failure.
    /// </summary>
    public NativeChange SetMigMode(bool enabled, bool readBack, out NvmlReturnCode activation, out MigMode? reached)
    {
        using CallScope scope = Session.Enter();
        long started = Stopwatch.GetTimestamp();
        nvmlReturn_t status = NVML_SUCCESS;
        nvmlReturn_t result = nvmlDeviceSetMigMode(Handle, enabled ? NVML_DEVICE_MIG_ENABLE : NVML_DEVICE_MIG_DISABLE, &status);
        NativeChange change = new NativeChange(
            (NvmlReturnCode)result, nameof(nvmlDeviceSetMigMode), Stopwatch.GetElapsedTime(started)).Record("set_mig_mode");
        activation = (NvmlReturnCode)status;
        reached = null;
        try
        {
            if (!change.Succeeded || readBack)
                reached = ReadMigMode();
        }
        catch (NvmlException)
        {
            // One failed read must not hide what became of the change.
            if (change.Succeeded)
                reached = ReadMigMode();
        }

        return change;
    }

    private MigMode? ReadMigMode()
    {
        uint current;
        uint pending;
        nvmlReturn_t result = nvmlDeviceGetMigMode(Handle, &current, &pending);
        if (result == NVML_ERROR_NOT_SUPPORTED)
            return null;
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetMigMode), "read the MIG mode");
        return new MigMode(current == NVML_DEVICE_MIG_ENABLE, pending == NVML_DEVICE_MIG_ENABLE);
    }

    /// <summary>The profile with a number; null, and <paramref name="end"/> true behind the last number that the driver knows.</summary>
    public GpuInstanceProfile? GetGpuInstanceProfile(uint number, out bool end)
    {
        using CallScope scope = Session.Enter();
        nvmlGpuInstanceProfileInfo_v2_t info = default;
        nvmlReturn_t result = NVML_SUCCESS;
        string function = nameof(nvmlDeviceGetGpuInstanceProfileInfoV);
        bool named = !_knowsNoProfileVersion && Session.Library.Has(function);
        if (named)
        {
            info.version = nvmlGpuInstanceProfileInfo_v2_t.Version;
            result = nvmlDeviceGetGpuInstanceProfileInfoV(Handle, number, &info);
            // Every driver knows number 0: it is the version of the struct that this one does not know.
            named = number != 0 || result != NVML_ERROR_INVALID_ARGUMENT;
        }

        if (!named)
        {
            function = nameof(nvmlDeviceGetGpuInstanceProfileInfo);
            Require(function, "read the GPU instance profiles");
            nvmlGpuInstanceProfileInfo_t old;
            result = nvmlDeviceGetGpuInstanceProfileInfo(Handle, number, &old);
            _knowsNoProfileVersion = result != NVML_ERROR_INVALID_ARGUMENT;
            info = FromVersion1(old);
        }

        end = result == NVML_ERROR_INVALID_ARGUMENT;
        if (end || result == NVML_ERROR_NOT_SUPPORTED)
            return null;
        if (result != NVML_SUCCESS)
            throw Error(result, function, $"read GPU instance profile number {number}");
        return ToProfile((int)number, info, named
            ? ProfileNames.WithoutMig(NativeText.Read(info.name, NVML_DEVICE_NAME_V2_BUFFER_SIZE))
            : ProfileNames.Compose(number, info.sliceCount, info.memorySizeMB));
    }

    /// <summary>The profile with an id, without its number; null if there is none.</summary>
    public GpuInstanceProfile? GetGpuInstanceProfileById(int id)
    {
        using CallScope scope = Session.Enter();
        if (!Session.Library.Has(nameof(nvmlDeviceGetGpuInstanceProfileInfoByIdV)))
            return null;
        nvmlGpuInstanceProfileInfo_v2_t info = new() { version = nvmlGpuInstanceProfileInfo_v2_t.Version };
        nvmlReturn_t result = nvmlDeviceGetGpuInstanceProfileInfoByIdV(Handle, (uint)id, &info);
        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_SUPPORTED)
            return null;
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetGpuInstanceProfileInfoByIdV), $"read GPU instance profile {id}");
        string name = ProfileNames.WithoutMig(NativeText.Read(info.name, NVML_DEVICE_NAME_V2_BUFFER_SIZE));
        return ToProfile(GpuInstanceProfile.UnknownNumber, info, name);
    }

    /// <summary>By start.</summary>
    [SkipLocalsInit] // the buffer is for any GPU; most use a fiftieth of it
    public Placement[] GetPossiblePlacements(GpuInstanceProfile profile)
    {
        using CallScope scope = Session.Enter();
        const string function = nameof(nvmlDeviceGetGpuInstancePossiblePlacements_v2);
        nvmlGpuInstancePlacement_t* buffer = stackalloc nvmlGpuInstancePlacement_t[MaxPlacements];
        uint count = MaxPlacements;
        nvmlReturn_t result = nvmlDeviceGetGpuInstancePossiblePlacements_v2(Handle, (uint)profile.Id, buffer, &count);
        if (result != NVML_SUCCESS)
            throw Error(result, function, $"read the placements of {profile.Name}");
        Session.CheckCount(count, MaxPlacements, function, "read the placements of a profile on", Description);
        Placement[] placements = new Placement[count];
        for (int i = 0; i < placements.Length; i++)
        {
            // Known drivers list them in order; then nothing is moved.
            int at = i;
            for (; at > 0 && placements[at - 1].Start > buffer[i].start; at--)
                placements[at] = placements[at - 1];
            placements[at] = new Placement((int)buffer[i].start, (int)buffer[i].size);
        }

        return placements;
    }

    public int GetRemainingCapacity(GpuInstanceProfile profile)
    {
        using CallScope scope = Session.Enter();
        uint count;
        nvmlReturn_t result = nvmlDeviceGetGpuInstanceRemainingCapacity(Handle, (uint)profile.Id, &count);
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetGpuInstanceRemainingCapacity), $"read the remaining capacity for {profile.Name}");
        return (int)count;
    }

    /// <summary>Creates an instance and reads it back.</summary>
    public NativeChange CreateGpuInstance(GpuInstanceProfile profile, Placement? placement, out NativeGpuInstance created)
    {
        using CallScope scope = Session.Enter();
        long started = Stopwatch.GetTimestamp();
        nvmlGpuInstance_t instance = default;
        nvmlReturn_t result;
        string function;
        if (placement is { } wanted)
        {
            function = nameof(nvmlDeviceCreateGpuInstanceWithPlacement);
            nvmlGpuInstancePlacement_t native = new() { start = (uint)wanted.Start, size = (uint)wanted.Size };
            result = nvmlDeviceCreateGpuInstanceWithPlacement(Handle, (uint)profile.Id, &native, &instance);
        }
        else
        {
            function = nameof(nvmlDeviceCreateGpuInstance);
            result = nvmlDeviceCreateGpuInstance(Handle, (uint)profile.Id, &instance);
        }

        TimeSpan took = Stopwatch.GetElapsedTime(started);
        InstanceInfo info = default;
        if (result == NVML_SUCCESS)
        {
            function = nameof(nvmlGpuInstanceGetInfo);
            result = NativeGpuInstance.Read(instance, out info);
            if (result != NVML_SUCCESS)
                result = NativeGpuInstance.Read(instance, out info); // one failed read must not lose an instance
        }

        created = new NativeGpuInstance(this, instance, info);
        return new NativeChange((NvmlReturnCode)result, function, took).Record("create_gpu_instance");
    }

    /// <summary>The instances of a profile.</summary>
    public NativeGpuInstance[] GetGpuInstances(GpuInstanceProfile profile)
    {
        using CallScope scope = Session.Enter();
        nvmlGpuInstance_t* handles = stackalloc nvmlGpuInstance_t[MaxInstances];
        for (int list = 1; ; list++)
        {
            int count = List(profile.Id, handles);
            NativeGpuInstance[] instances = new NativeGpuInstance[count];
            nvmlReturn_t unreadable = NVML_SUCCESS;
            for (int i = 0; i < count; i++)
            {
                nvmlReturn_t result = NativeGpuInstance.Read(handles[i], out InstanceInfo info);
                if (result != NVML_SUCCESS)
                    unreadable = result;
                instances[i] = new NativeGpuInstance(this, handles[i], info);
            }

            if (unreadable == NVML_SUCCESS)
                return instances;
            if (list == MaxLists || unreadable is not (NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND))
                throw Error(unreadable, nameof(nvmlGpuInstanceGetInfo), $"read a GPU instance {profile.Name} that is listed");
        }
    }

    /// <summary>Whether the list of a profile's instances has a handle, in the caller's scope.</summary>
    public bool IsListed(int profileId, nvmlGpuInstance_t handle)
    {
        nvmlGpuInstance_t* handles = stackalloc nvmlGpuInstance_t[MaxInstances];
        int count = List(profileId, handles);
        for (int i = 0; i < count; i++)
        {
            if (handles[i].Value == handle.Value)
                return true;
        }

        return false;
    }

    public NativeGpuInstance GetGpuInstanceById(int id)
    {
        using CallScope scope = Session.Enter();
        for (int attempt = 1; ; attempt++)
        {
            nvmlGpuInstance_t handle;
            nvmlReturn_t result = nvmlDeviceGetGpuInstanceById(Handle, (uint)id, &handle);
            if (result != NVML_SUCCESS)
                throw Error(result, nameof(nvmlDeviceGetGpuInstanceById), $"find GPU instance {id}");
            result = NativeGpuInstance.Read(handle, out InstanceInfo info);
            if (result == NVML_SUCCESS)
                return new NativeGpuInstance(this, handle, info);
            if (attempt == MaxLists || result is not (NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND))
                throw Error(result, nameof(nvmlGpuInstanceGetInfo), $"read GPU instance {id}");
        }
    }

    /// <summary>Null where there is no MIG device with that index. One refused read does not make it disappear.</summary>
    public NativeMigDevice? GetMigDevice(uint index)
    {
        using CallScope scope = Session.Enter();
        return ReadMigDevice(index) ?? ReadMigDevice(index);
    }

    /// <summary>The MIG device of a compute instance; null if one walk over the MIG devices does not meet it.</summary>
    public NativeMigDevice? FindMigDevice(int gpuInstanceId, int computeInstanceId)
    {
        using CallScope scope = Session.Enter();
        uint count = ReadMaxMigDeviceCount();
        for (uint index = 0; index < count; index++)
        {
            NativeMigDevice? device = ReadMigDevice(index);
            if (device?.GpuInstanceId == gpuInstanceId && device.ComputeInstanceId == computeInstanceId)
                return device;
        }

        return null;
    }

    /// <summary>
    /// The MIG devices; null if they changed during the walk. NVML numbers them without gaps: when one comes or goes, those behind it
    /// shift, and the walk may miss one. Then one that was found has another index by the end, or none.
    /// </summary>
    public NativeMigDevice[]? TryGetMigDevices()
    {
        using CallScope scope = Session.Enter();
        uint count = ReadMaxMigDeviceCount();
        List<(NativeMigDevice Device, uint Index)> found = [];
        uint? free = null;
        for (uint index = 0; index < count; index++)
        {
            if (ReadMigDevice(index) is { } device)
                found.Add((device, index));
            else
                free ??= index;
        }

        // One refused read must not make a device disappear: the first index without one is asked again.
        bool isComplete = free is not { } first || ReadMigDevice(first) is null;
        return isComplete && found.TrueForAll(static device => device.Device.IsAt(device.Index))
            ? [.. found.Select(device => device.Device).DistinctBy(device => device.Uuid, StringComparer.Ordinal)]
            : null;
    }

    protected override NvmlException Failure(nvmlReturn_t result, string function, string act) =>
        Session.Error(result, function, $"{act} of {Description}");

    /// <summary>Version 1 is that of the R470 branch. It lacks the version and the name.</summary>
    private static nvmlGpuInstanceProfileInfo_v2_t FromVersion1(nvmlGpuInstanceProfileInfo_t old) => new()
    {
        id = old.id,
        isP2pSupported = old.isP2pSupported,
        sliceCount = old.sliceCount,
        instanceCount = old.instanceCount,
        multiprocessorCount = old.multiprocessorCount,
        copyEngineCount = old.copyEngineCount,
        decoderCount = old.decoderCount,
        encoderCount = old.encoderCount,
        jpegCount = old.jpegCount,
        ofaCount = old.ofaCount,
        memorySizeMB = old.memorySizeMB,
    };

    private static GpuInstanceProfile ToProfile(int number, nvmlGpuInstanceProfileInfo_v2_t info, string name) => new()
    {
        Number = number,
        Id = (int)info.id,
        Name = name,
        SliceCount = (int)info.sliceCount,
        MaxInstances = (int)info.instanceCount,
        MultiprocessorCount = (int)info.multiprocessorCount,
        MemoryMiB = (long)info.memorySizeMB,
        CopyEngineCount = (int)info.copyEngineCount,
        DecoderCount = (int)info.decoderCount,
        EncoderCount = (int)info.encoderCount,
        JpegCount = (int)info.jpegCount,
        OfaCount = (int)info.ofaCount,
        SupportsP2P = info.isP2pSupported != 0,
    };

    private int List(int profileId, nvmlGpuInstance_t* handles)
    {
        uint count = MaxInstances;
        nvmlReturn_t result = nvmlDeviceGetGpuInstances(Handle, (uint)profileId, handles, &count);
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetGpuInstances), $"list the GPU instances of profile {profileId}");
        Session.CheckCount(count, MaxInstances, nameof(nvmlDeviceGetGpuInstances), "list the GPU instances on", Description);
        return (int)count;
    }

    private uint ReadMaxMigDeviceCount()
    {
        uint count;
        nvmlReturn_t result = nvmlDeviceGetMaxMigDeviceCount(Handle, &count);
        return result == NVML_SUCCESS ? count : throw Error(result, nameof(nvmlDeviceGetMaxMigDeviceCount), "count the MIG devices");
    }

    private NativeMigDevice? ReadMigDevice(uint index)
    {
        nvmlDevice_t handle;
        nvmlReturn_t result = nvmlDeviceGetMigDeviceHandleByIndex(Handle, index, &handle);
        if (result is NVML_ERROR_NOT_FOUND or NVML_ERROR_INVALID_ARGUMENT)
            return null;
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetMigDeviceHandleByIndex), $"find MIG device {index}");
        return NativeMigDevice.TryRead(Session, handle);
    }

    /// <summary><paramref name="act"/> goes before "on GPU 0 (...)".</summary>
    private NvmlException Error(nvmlReturn_t result, string function, string act) =>
        Session.Error(result, function, $"{act} on {Description}");
}
