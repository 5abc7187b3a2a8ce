using System.Diagnostics;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A compute instance: the checked calls on its handle.</summary>
internal readonly unsafe struct NativeComputeInstance(NativeGpuInstance gpuInstance, nvmlComputeInstance_t handle)
{
    private NativeSession Session => gpuInstance.Session;

    /// <summary>What the handle leads to now; null if that is nothing.</summary>
    public InstanceInfo? TryGetInfo()
    {
        using CallScope lease = Session.CallScope();
        return TryGetInfoInScope();
    }

    private InstanceInfo? TryGetInfoInScope()
    {
        nvmlReturn_t result = GetInfo(out InstanceInfo info);
        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND)
            return null;
        Session.Check(result, nameof(nvmlComputeInstanceGetInfo_v2), "read a compute instance of", gpuInstance.DeviceDescription);
        return info;
    }

    /// <summary>
    /// The MIG device, if the driver tells it in nvmlComputeInstanceInfo_t: the header has the GPU there, and NVIDIA's driver for Kubernetes
    /// takes what is there for the MIG device. Null if it is the GPU, or has gone.
    /// </summary>
    public NativeMigDevice? TryGetMigDevice()
    {
        using CallScope lease = Session.CallScope();
        nvmlComputeInstanceInfo_t native = default;
        uint isMigDevice;
        return nvmlComputeInstanceGetInfo_v2(handle, &native) == NVML_SUCCESS
            && nvmlDeviceIsMigDeviceHandle(native.device, &isMigDevice) == NVML_SUCCESS
            && isMigDevice != 0
                ? NativeMigDevice.TryRead(gpuInstance.Gpu, native.device)
                : null;
    }

    /// <summary>What the handle leads to, unchecked, for callers that hold a lease.</summary>
    public nvmlReturn_t GetInfo(out InstanceInfo info)
    {
        nvmlComputeInstanceInfo_t native = default;
        nvmlReturn_t result = nvmlComputeInstanceGetInfo_v2(handle, &native);
        info = new InstanceInfo(
            (int)native.id, (int)native.profileId, new Placement((int)native.placement.start, (int)native.placement.size));
        return result;
    }

    /// <summary>
    /// Destroys what the handle leads to, if that is still what was <paramref name="expected"/>, and its GPU instance too.
    /// <paramref name="whoUsesIt"/> is asked only if it is in use.
    /// </summary>
    public void Destroy(ComputeInstance instance, InstanceInfo expected, Func<ComputeInstance, string?> whoUsesIt)
    {
        using CallScope lease = Session.CallScope();
        if (gpuInstance.TryGetInfoInScope() != instance.GpuInstance.Info)
            throw GpuDevice.Gone(nameof(nvmlComputeInstanceDestroy), instance.GpuInstance.ToString());
        if (TryGetInfoInScope() != expected)
            throw GpuDevice.Gone(nameof(nvmlComputeInstanceDestroy), instance.ToString());
        bool logged = Session.LogsChanges;
        long started = logged ? Stopwatch.GetTimestamp() : 0;
        nvmlReturn_t result = nvmlComputeInstanceDestroy(handle);
        if (result != NVML_SUCCESS)
        {
            throw Session.Error(
                result, nameof(nvmlComputeInstanceDestroy), $"destroy {instance}", result == NVML_ERROR_IN_USE ? whoUsesIt(instance) : null);
        }

        if (logged)
            Log.ComputeInstanceDestroyed(Session.Logger, instance.ToString(), Stopwatch.GetElapsedTime(started).TotalMilliseconds);
    }
}
