using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>An event of a GPU.</summary>
internal readonly record struct NativeEvent(ulong Type, ulong Data, int GpuIndex, int? GpuInstanceId, int? ComputeInstanceId);

/// <summary>A set of events to wait for.</summary>
internal sealed unsafe class NativeEventSet : OwnedHandle
{
    private static readonly string[] Functions =
        [nameof(nvmlEventSetCreate), nameof(nvmlDeviceRegisterEvents), nameof(nvmlEventSetWait_v2), nameof(nvmlEventSetFree)];

    private readonly NativeSession _session;
    private readonly List<NativeGpu> _registered = [];

    private NativeEventSet(NativeSession session, nvmlEventSet_t set)
        : base(session, set.Value) => _session = session;

    public static NativeEventSet Create(NativeSession session)
    {
        using CallScope scope = session.Enter();
        foreach (string function in Functions)
            session.Require(function, "watch events of", "GPUs");
        nvmlEventSet_t set;
        session.Check(nvmlEventSetCreate(&set), nameof(nvmlEventSetCreate), "create an event set");
        return new NativeEventSet(session, set);
    }

    public void Register(NativeGpu gpu, ulong types)
    {
        using CallScope scope = _session.Enter();
        _session.Check(
            nvmlDeviceRegisterEvents(gpu.Handle, types, new nvmlEventSet_t(handle)),
            nameof(nvmlDeviceRegisterEvents),
            "watch the events of",
            gpu.Description);
        _registered.Add(gpu);
    }

    /// <summary>Waits for an event.</summary>
    /// <returns>Success, Timeout, or GpuIsLost, for which NVML does not name the GPU.</returns>
    public NvmlReturnCode Wait(uint milliseconds, out NativeEvent happened)
    {
        using CallScope scope = _session.Enter();
        bool added = false;
        DangerousAddRef(ref added);
        try
        {
            nvmlEventData_t data = default;
            nvmlReturn_t result = nvmlEventSetWait_v2(new nvmlEventSet_t(handle), &data, milliseconds);
            if (result is not (NVML_SUCCESS or NVML_ERROR_TIMEOUT or NVML_ERROR_GPU_IS_LOST))
                throw _session.Error(result, nameof(nvmlEventSetWait_v2), "wait for events");
            happened = result != NVML_SUCCESS ? default : new NativeEvent(
                data.eventType,
                data.eventData,
                IndexOf(data.device),
                NativeDevice.InstanceId(data.gpuInstanceId),
                NativeDevice.InstanceId(data.computeInstanceId));
            return (NvmlReturnCode)result;
        }
        finally
        {
            DangerousRelease();
        }
    }

    protected override bool Free() => nvmlEventSetFree(new nvmlEventSet_t(handle)) == NVML_SUCCESS;

    private int IndexOf(nvmlDevice_t device)
    {
        nint value = device.Value;
        NativeGpu? known = _registered.Find(gpu => gpu.Handle.Value == value);
        return known?.Index ?? (int)_session.ReadIndex(device, "of an event");
    }
}
