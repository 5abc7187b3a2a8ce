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

    /// <summary>GPU instance profiles are to be asked for without a struct version: the driver knows none of ours.</summary>
    private bool _knowsNoProfileVersion;

    public NativeGpu(NativeSession session, nvmlDevice_t handle, string provisionalName)
        : base(session, handle)
    {
        Uuid = ReadUuid(provisionalName);
        Description = $"{provisionalName} ({Uuid})";
    }

    public string Uuid { get; }

    /// <summary>The same of compute instance profiles, whichever instance they were asked of.</summary>
    public bool KnowsNoComputeProfileVersion { get; set; }

    public override string Description { get; }

    public PciIdentity GetPci()
    {
        using CallScope lease = Session.CallScope();
        nvmlPciInfo_t pci;
        Check(nvmlDeviceGetPciInfo_v3(Handle, &pci), nameof(nvmlDeviceGetPciInfo_v3), "read the PCI ids");
        return new PciIdentity(NativeText.Read(pci.busId, NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE), pci.pciDeviceId, pci.pciSubSystemId);
    }

    /// <summary>Null if the GPU has no MIG mode at all.</summary>
    public MigMode? GetMigMode()
    {
        using CallScope lease = Session.CallScope();
        uint current;
        uint pending;
        nvmlReturn_t result = nvmlDeviceGetMigMode(Handle, &current, &pending);
        if (result == NVML_ERROR_NOT_SUPPORTED)
            return null;
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetMigMode), "read the MIG mode");
        return new MigMode(current == NVML_DEVICE_MIG_ENABLE, pending == NVML_DEVICE_MIG_ENABLE);
    }

    public MigModeChange SetMigMode(bool enabled)
    {
        using CallScope lease = Session.CallScope();
        long started = Stopwatch.GetTimestamp();
        nvmlReturn_t activation = NVML_SUCCESS;
        nvmlReturn_t result = nvmlDeviceSetMigMode(Handle, enabled ? NVML_DEVICE_MIG_ENABLE : NVML_DEVICE_MIG_DISABLE, &activation);
        MigModeChange change = result switch
        {
            // The call's own code counts first: where it fails, the activation's says nothing.
            NVML_ERROR_IN_USE => new MigModeChange(MigModeOutcome.InUse, NvmlReturnCode.InUse),
            NVML_SUCCESS when activation == NVML_SUCCESS => new MigModeChange(MigModeOutcome.Activated, NvmlReturnCode.Success),
            NVML_SUCCESS => new MigModeChange(MigModeOutcome.Pending, (NvmlReturnCode)activation),
            _ => throw Error(result, nameof(nvmlDeviceSetMigMode), enabled ? "enable MIG" : "disable MIG"),
        };
        double milliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        if (change.Outcome == MigModeOutcome.InUse)
            Log.MigModeRefused(Session.Logger, Description, enabled, milliseconds);
        else
            Log.MigModeSet(Session.Logger, Description, enabled, change, milliseconds);
        return change;
    }

    /// <summary>The profile with a number; null, and <paramref name="end"/> true behind the last number that the driver knows.</summary>
    public GpuInstanceProfile? GetGpuInstanceProfile(uint number, out bool end)
    {
        using CallScope lease = Session.CallScope();
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
            // Drivers of the R470 branch: version 1 lacks the version and the name, and is the same otherwise.
            function = nameof(nvmlDeviceGetGpuInstanceProfileInfo);
            Require(function, "read the GPU instance profiles");
            nvmlGpuInstanceProfileInfo_t old;
            result = nvmlDeviceGetGpuInstanceProfileInfo(Handle, number, &old);
            _knowsNoProfileVersion = result != NVML_ERROR_INVALID_ARGUMENT;
            info = new nvmlGpuInstanceProfileInfo_v2_t
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

    /// <summary>The profile with an id; null if there is none. Its number is not told.</summary>
    public GpuInstanceProfile? GetGpuInstanceProfileById(int id)
    {
        using CallScope lease = Session.CallScope();
        if (!Session.Library.Has(nameof(nvmlDeviceGetGpuInstanceProfileInfoByIdV)))
            return null;
        nvmlGpuInstanceProfileInfo_v2_t info = new() { version = nvmlGpuInstanceProfileInfo_v2_t.Version };
        nvmlReturn_t result = nvmlDeviceGetGpuInstanceProfileInfoByIdV(Handle, (uint)id, &info);
        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_SUPPORTED)
            return null;
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetGpuInstanceProfileInfoByIdV), $"read GPU instance profile {id}");
        return ToProfile(GpuInstanceProfile.UnknownNumber, info, ProfileNames.WithoutMig(NativeText.Read(info.name, NVML_DEVICE_NAME_V2_BUFFER_SIZE)));
    }

    /// <summary>By start.</summary>
    [SkipLocalsInit] // the buffer is for any GPU; most use a fiftieth of it
    public Placement[] GetPossiblePlacements(GpuInstanceProfile profile)
    {
        using CallScope lease = Session.CallScope();
        nvmlGpuInstancePlacement_t* buffer = stackalloc nvmlGpuInstancePlacement_t[MaxPlacements];
        uint count = MaxPlacements;
        nvmlReturn_t result = nvmlDeviceGetGpuInstancePossiblePlacements_v2(Handle, (uint)profile.Id, buffer, &count);
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetGpuInstancePossiblePlacements_v2), $"read the placements of {profile.Name}");
        Session.CheckCount(
            count, MaxPlacements, nameof(nvmlDeviceGetGpuInstancePossiblePlacements_v2), "read the placements of a profile on", Description);
        Placement[] placements = new Placement[count];
        for (int i = 0; i < placements.Length; i++)
        {
            // Known drivers tell them in order; then nothing is moved.
            int at = i;
            for (; at > 0 && placements[at - 1].Start > buffer[i].start; at--)
                placements[at] = placements[at - 1];
            placements[at] = new Placement((int)buffer[i].start, (int)buffer[i].size);
        }

        return placements;
    }

    public int GetRemainingCapacity(GpuInstanceProfile profile)
    {
        using CallScope lease = Session.CallScope();
        uint count;
        nvmlReturn_t result = nvmlDeviceGetGpuInstanceRemainingCapacity(Handle, (uint)profile.Id, &count);
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetGpuInstanceRemainingCapacity), $"read the remaining capacity for {profile.Name}");
        return (int)count;
    }

    /// <summary>Creates an instance and reads what it became. The functions are asked only if there is no room, or the GPU is in use.</summary>
    public NativeGpuInstance CreateGpuInstance(
        GpuDevice device,
        GpuInstanceProfile profile,
        Placement? placement,
        Func<GpuDevice, GpuInstanceProfile, Placement?, string?> whyNoRoom,
        Func<GpuDevice, string?> whoUsesIt,
        out InstanceInfo created)
    {
        using CallScope lease = Session.CallScope();
        bool logged = Session.LogsChanges;
        long started = logged ? Stopwatch.GetTimestamp() : 0;
        nvmlGpuInstance_t handle;
        nvmlReturn_t result;
        string function;
        if (placement is { } wanted)
        {
            function = nameof(nvmlDeviceCreateGpuInstanceWithPlacement);
            nvmlGpuInstancePlacement_t native = new() { start = (uint)wanted.Start, size = (uint)wanted.Size };
            result = nvmlDeviceCreateGpuInstanceWithPlacement(Handle, (uint)profile.Id, &native, &handle);
        }
        else
        {
            function = nameof(nvmlDeviceCreateGpuInstance);
            result = nvmlDeviceCreateGpuInstance(Handle, (uint)profile.Id, &handle);
        }

        TimeSpan took = logged ? Stopwatch.GetElapsedTime(started) : default;
        if (result != NVML_SUCCESS)
        {
            string where = placement is { } at ? $" at {at}" : "";
            throw Error(result, function, $"create a GPU instance {profile.Name} (profile {profile.Id}){where}", result switch
            {
                NVML_ERROR_NOT_SUPPORTED => "MIG mode must be enabled first.",
                NVML_ERROR_INVALID_ARGUMENT => "The GPU has no such profile, or the profile cannot be placed there.",
                NVML_ERROR_INSUFFICIENT_RESOURCES => whyNoRoom(device, profile, placement),
                NVML_ERROR_IN_USE => whoUsesIt(device),
                _ => null,
            });
        }

        NativeGpuInstance instance = new(this, handle);
        result = instance.GetInfo(out created);
        if (result != NVML_SUCCESS)
        {
            Log.GpuInstanceCreatedUnread(Session.Logger, profile.Name, Description);
            throw Error(
                result,
                nameof(nvmlGpuInstanceGetInfo),
                $"read back the GPU instance {profile.Name} that was just created",
                "The creation itself succeeded: list the GPU instances to find it.");
        }

        if (logged)
            Log.GpuInstanceCreated(Session.Logger, created.Id, profile.Name, created.Placement, Description, took.TotalMilliseconds);
        return instance;
    }

    public NativeGpuInstance[] GetGpuInstances(GpuInstanceProfile profile)
    {
        using CallScope lease = Session.CallScope();
        nvmlGpuInstance_t* buffer = stackalloc nvmlGpuInstance_t[MaxInstances];
        uint count = MaxInstances;
        nvmlReturn_t result = nvmlDeviceGetGpuInstances(Handle, (uint)profile.Id, buffer, &count);
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetGpuInstances), $"list the GPU instances {profile.Name}");
        Session.CheckCount(count, MaxInstances, nameof(nvmlDeviceGetGpuInstances), "list the GPU instances on", Description);
        NativeGpuInstance[] instances = new NativeGpuInstance[count];
        for (int i = 0; i < instances.Length; i++)
            instances[i] = new NativeGpuInstance(this, buffer[i]);
        return instances;
    }

    public NativeGpuInstance GetGpuInstanceById(int id)
    {
        using CallScope lease = Session.CallScope();
        nvmlGpuInstance_t handle;
        nvmlReturn_t result = nvmlDeviceGetGpuInstanceById(Handle, (uint)id, &handle);
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetGpuInstanceById), $"find GPU instance {id}");
        return new NativeGpuInstance(this, handle);
    }

    public uint GetMaxMigDeviceCount()
    {
        using CallScope lease = Session.CallScope();
        uint count;
        nvmlReturn_t result = nvmlDeviceGetMaxMigDeviceCount(Handle, &count);
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetMaxMigDeviceCount), "count the MIG devices");
        return count;
    }

    /// <summary>Null where there is no MIG device with that index, or not any more.</summary>
    public NativeMigDevice? GetMigDevice(uint index)
    {
        using CallScope lease = Session.CallScope();
        nvmlDevice_t handle;
        nvmlReturn_t result = nvmlDeviceGetMigDeviceHandleByIndex(Handle, index, &handle);
        if (result is NVML_ERROR_NOT_FOUND or NVML_ERROR_INVALID_ARGUMENT)
            return null;
        if (result != NVML_SUCCESS)
            throw Error(result, nameof(nvmlDeviceGetMigDeviceHandleByIndex), $"find MIG device {index}");
        return NativeMigDevice.TryRead(this, handle);
    }

    protected override NvmlException Failure(nvmlReturn_t result, string function, string act) =>
        Session.Error(result, function, $"{act} of {Description}");

    private static GpuInstanceProfile ToProfile(int number, nvmlGpuInstanceProfileInfo_v2_t info, string name) =>
        new()
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

    private string ReadUuid(string provisionalName)
    {
        using CallScope lease = Session.CallScope();
        byte* uuid = stackalloc byte[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
        Session.Check(
            nvmlDeviceGetUUID(Handle, uuid, NVML_DEVICE_UUID_V2_BUFFER_SIZE), nameof(nvmlDeviceGetUUID), "read the UUID of", provisionalName);
        return NativeText.Read(uuid, NVML_DEVICE_UUID_V2_BUFFER_SIZE);
    }

    /// <summary><paramref name="act"/> goes before "on GPU 0 (...)".</summary>
    private NvmlException Error(nvmlReturn_t result, string function, string act, string? hint = null) =>
        Session.Error(result, function, $"{act} on {Description}", hint);
}
