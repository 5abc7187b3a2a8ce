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

    /// <summary>Reads what a handle stands for; null if its compute instance has gone since the handle was asked for.</summary>
    public static NativeMigDevice? TryRead(NativeGpu gpu, nvmlDevice_t handle)
    {
        NativeSession session = gpu.Session;
        using CallScope lease = session.CallScope();
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
        session.Check(result, function, "read a MIG device of", gpu.Description);
        return new NativeMigDevice(
            session, handle, NativeText.Read(uuid, NVML_DEVICE_UUID_V2_BUFFER_SIZE), gpuInstanceId, computeInstanceId);
    }

    public MigDeviceAttributes GetAttributes()
    {
        using CallScope lease = Session.CallScope();
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

    /// <summary>The index under the GPU now, unchecked; -1 if the device has gone.</summary>
    public int TryGetIndex()
    {
        using CallScope lease = Session.CallScope();
        uint index;
        return nvmlDeviceGetIndex(Handle, &index) == NVML_SUCCESS ? (int)index : -1;
    }

    /// <summary>
    /// To a handle whose compute instance has gone the driver says INVALID_ARGUMENT, as to other arguments that it does not like: whether the
    /// device is there decides what callers hear.
    /// </summary>
    protected override NvmlException Failure(nvmlReturn_t result, string function, string act)
    {
        uint id;
        return result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND && nvmlDeviceGetGpuInstanceId(Handle, &id) != NVML_SUCCESS
            ? GpuDevice.Gone(function, Description)
            : Session.Error(result, function, $"{act} of {Description}");
    }
}
