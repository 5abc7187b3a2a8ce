using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A set of events that can be waited for.</summary>
internal sealed unsafe class NativeEventSet : OwnedHandle
{
    private readonly NativeSession _session;

    private NativeEventSet(NativeSession session, nvmlEventSet_t set)
        : base(session, set.Value) => _session = session;

    public static NativeEventSet Create(NativeSession session)
    {
        using CallScope lease = session.CallScope();
        foreach (string function in (string[])[nameof(nvmlEventSetCreate), nameof(nvmlDeviceRegisterEvents), nameof(nvmlEventSetWait_v2), nameof(nvmlEventSetFree)])
            session.Require(function, "watch events of", "GPUs");
        nvmlEventSet_t set;
        session.Check(nvmlEventSetCreate(&set), nameof(nvmlEventSetCreate), "create an event set");
        return new NativeEventSet(session, set);
    }

    public void Register(NativeGpu gpu, ulong types)
    {
        using CallScope lease = _session.CallScope();
        _session.Check(
            nvmlDeviceRegisterEvents(gpu.Handle, types, new nvmlEventSet_t(handle)),
            nameof(nvmlDeviceRegisterEvents),
            "watch the events of",
            gpu.Description);
    }

    /// <summary>Waits for an event.</summary>
    /// <returns>SUCCESS, TIMEOUT, or GPU_IS_LOST, for which NVML does not say which GPU.</returns>
    public nvmlReturn_t Wait(uint milliseconds, out nvmlEventData_t data)
    {
        using CallScope lease = _session.CallScope();
        bool added = false;
        DangerousAddRef(ref added);
        try
        {
            nvmlEventData_t read = default;
            nvmlReturn_t result = nvmlEventSetWait_v2(new nvmlEventSet_t(handle), &read, milliseconds);
            data = read;
            return result is NVML_SUCCESS or NVML_ERROR_TIMEOUT or NVML_ERROR_GPU_IS_LOST
                ? result
                : throw _session.Error(result, nameof(nvmlEventSetWait_v2), "wait for events");
        }
        finally
        {
            DangerousRelease();
        }
    }

    protected override bool Free() => nvmlEventSetFree(new nvmlEventSet_t(handle)) == NVML_SUCCESS;
}
