using System.Diagnostics;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A compute instance: the checked calls on its handle.</summary>
internal sealed unsafe class NativeComputeInstance(NativeGpuInstance gpuInstance, nvmlComputeInstance_t handle)
{
    private NativeSession Session => gpuInstance.Session;

    /// <summary>What the handle leads to now; null if that is nothing.</summary>
    public InstanceInfo? TryGetInfo()
    {
        using Lease lease = Session.Lease();
        nvmlComputeInstanceInfo_t info;
        nvmlReturn_t result = nvmlComputeInstanceGetInfo_v2(handle, &info);
        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND)
            return null;
        Session.Check(result, nameof(nvmlComputeInstanceGetInfo_v2), "read a compute instance of", gpuInstance.DeviceDescription);
        return new InstanceInfo((int)info.id, (int)info.profileId, new Placement((int)info.placement.start, (int)info.placement.size));
    }

    public void Destroy(string description)
    {
        using Lease lease = Session.Lease();
        long started = Stopwatch.GetTimestamp();
        nvmlReturn_t result = nvmlComputeInstanceDestroy(handle);
        double milliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        if (result != NVML_SUCCESS)
            throw Session.Error(result, nameof(nvmlComputeInstanceDestroy), $"destroy {description}");
        Log.ComputeInstanceDestroyed(Session.Logger, description, milliseconds);
    }
}
