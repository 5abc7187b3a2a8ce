using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A MIG device: its identity, and the checked calls on its handle.</summary>
internal sealed unsafe class NativeMigDevice : NativeDevice
{
    private NativeMigDevice(NativeSession session, nvmlDevice_t handle, string uuid, uint gpuInstanceId, uint computeInstanceId)
        : base(session, handle)
    {
        Uuid = uuid;
        GpuInstanceId = (int)gpuInstanceId;
        ComputeInstanceId = (int)computeInstanceId;
    }

    public string Uuid { get; }

    public override string Description => $"MIG device {Uuid}";

    public int GpuInstanceId { get; }

    public int ComputeInstanceId { get; }

    /// <summary>Reads the identity, in the caller's scope; null if the compute instance has gone since the handle was asked for.</summary>
    public static NativeMigDevice? TryRead(NativeSession session, nvmlDevice_t handle)
    {
        byte* uuid = stackalloc byte[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
        uint gpuInstanceId;
        uint computeInstanceId = 0;
        string function = nameof(nvmlDeviceGetGpuInstanceId);
        nvmlReturn_t result = nvmlDeviceGetGpuInstanceId(handle, &gpuInstanceId);
        if (result == NVML_SUCCESS)
        {
            function = nameof(nvmlDeviceGetComputeInstanceId);
            result = nvmlDeviceGetComputeInstanceId(handle, &computeInstanceId);
        }

        if (result == NVML_SUCCESS)
        {
            function = nameof(nvmlDeviceGetUUID);
            result = nvmlDeviceGetUUID(handle, uuid, NVML_DEVICE_UUID_V2_BUFFER_SIZE);
        }

        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND)
            return null;
        session.Check(result, function, "read", "a MIG device");
        return new NativeMigDevice(
            session, handle, NativeText.Read(uuid, NVML_DEVICE_UUID_V2_BUFFER_SIZE), gpuInstanceId, computeInstanceId);
    }

    public MigDeviceAttributes GetAttributes()
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetAttributes_v2), "read the attributes");
        nvmlDeviceAttributes_t attributes;
        Check(nvmlDeviceGetAttributes_v2(Handle, &attributes), nameof(nvmlDeviceGetAttributes_v2), "read the attributes");
        return new MigDeviceAttributes(
            (int)attributes.multiprocessorCount,
            (int)attributes.sharedCopyEngineCount,
            (int)attributes.sharedDecoderCount,
            (int)attributes.sharedEncoderCount,
            (int)attributes.sharedJpegCount,
            (int)attributes.sharedOfaCount,
            (int)attributes.gpuInstanceSliceCount,
            (int)attributes.computeInstanceSliceCount,
            (long)attributes.memorySizeMB);
    }

    /// <summary>Whether its handle still leads to a MIG device.</summary>
    public bool Exists()
    {
        using CallScope scope = Session.Enter();
        return ExistsInScope();
    }

    /// <summary>Whether it has an index under its GPU still, in the caller's scope.</summary>
    public bool IsAt(uint index)
    {
        uint now;
        return nvmlDeviceGetIndex(Handle, &now) == NVML_SUCCESS && now == index;
    }

    /// <summary>
    /// To a handle whose compute instance has gone the driver says INVALID_ARGUMENT, as to other arguments that it does not like: another
    /// question to the handle decides what callers hear.
    /// </summary>
    protected override NvmlException Failure(nvmlReturn_t result, string function, string act)
    {
        return result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND && !ExistsInScope()
            ? NvmlErrors.Gone(function, Description)
            : Session.Error(result, function, $"{act} of {Description}");
    }

    private bool ExistsInScope()
    {
        uint id;
        return nvmlDeviceGetGpuInstanceId(Handle, &id) == NVML_SUCCESS;
    }
}
