using System.Diagnostics;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A compute instance: the checked calls on its handle.</summary>
/// <param name="gpuInstance">Its GPU instance.</param>
/// <param name="handle">Its handle.</param>
/// <param name="info">The driver's description of it when it was found.</param>
internal readonly unsafe struct NativeComputeInstance(NativeGpuInstance gpuInstance, nvmlComputeInstance_t handle, InstanceInfo info)
{
    public InstanceInfo Info => info;

    private NativeSession Session => gpuInstance.Session;

    /// <summary>The driver's description of the instance that a handle leads to, unchecked, in the caller's scope.</summary>
    public static nvmlReturn_t Read(nvmlComputeInstance_t handle, out InstanceInfo info)
    {
        nvmlComputeInstanceInfo_t native = default;
        nvmlReturn_t result = nvmlComputeInstanceGetInfo_v2(handle, &native);
        info = new InstanceInfo(
            (int)native.id, (int)native.profileId, new Placement((int)native.placement.start, (int)native.placement.size));
        return result;
    }

    /// <summary>
    /// Whether the handle still leads to the instance that was found, and not to none or to another. Its GPU instance exists.
    /// </summary>
    public bool Exists()
    {
        using CallScope scope = Session.Enter();
        return ExistsInScope();
    }

    /// <summary>
    /// The MIG device, if the driver has it in nvmlComputeInstanceInfo_t: the header has the GPU there, and NVIDIA's driver for Kubernetes
    /// takes what is there for the MIG device. Null if it is the GPU, or has gone.
    /// </summary>
    public NativeMigDevice? TryGetMigDevice()
    {
        using CallScope scope = Session.Enter();
        nvmlComputeInstanceInfo_t native = default;
        uint isMigDevice;
        return nvmlComputeInstanceGetInfo_v2(handle, &native) == NVML_SUCCESS
            && nvmlDeviceIsMigDeviceHandle(native.device, &isMigDevice) == NVML_SUCCESS
            && isMigDevice != 0
                ? NativeMigDevice.TryRead(Session, native.device)
                : null;
    }

    /// <inheritdoc cref="NativeGpuInstance.Destroy"/>
    public NativeChange Destroy(bool readBack, out bool? remains)
    {
        using CallScope scope = Session.Enter();
        long started = Stopwatch.GetTimestamp();
        NvmlReturnCode code = (NvmlReturnCode)nvmlComputeInstanceDestroy(handle);
        NativeChange change = new NativeChange(
            code, nameof(nvmlComputeInstanceDestroy), Stopwatch.GetElapsedTime(started)).Record("destroy_compute_instance");
        remains = !change.Succeeded ? TryExists()
            : !readBack ? null
            : Read(handle, out InstanceInfo now) is var result && result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND ? false
            : result == NVML_SUCCESS ? now == info
            : ExistsInScope();
        return change;
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
            // As for GPU instances: one refused read does not make it gone.
            if (!gpuInstance.IsListed(info.ProfileId, handle))
                return false;
            result = Read(handle, out now);
        }

        return result == NVML_SUCCESS ? now == info : throw Session.Error(
            result, nameof(nvmlComputeInstanceGetInfo_v2), $"read compute instance {info.Id} of {gpuInstance.Description}");
    }
}
