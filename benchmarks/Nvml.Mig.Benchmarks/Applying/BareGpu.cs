using Nvml.Mig.Benchmarks.Binding;
using Nvml.Mig.Interop;

namespace Nvml.Mig.Benchmarks.Applying;

/// <summary>A GPU without the library around it: the calls that divide it, and no other.</summary>
internal sealed unsafe class BareGpu
{
    private readonly nvmlDevice_t _handle;

    public BareGpu(int index)
    {
        nvmlDevice_t handle;
        PlainC.Check(LibNvml.nvmlDeviceGetHandleByIndex_v2((uint)index, &handle));
        _handle = handle;
    }

    /// <summary>Creates GPU instances, each with a compute instance that takes the whole of it, and destroys them all.</summary>
    public void CreateAndDestroy(ReadOnlySpan<(GpuInstanceProfile Profile, ComputeInstanceProfile Whole)> wanted)
    {
        nvmlGpuInstance_t* instances = stackalloc nvmlGpuInstance_t[wanted.Length];
        nvmlComputeInstance_t* inside = stackalloc nvmlComputeInstance_t[wanted.Length];
        for (int i = 0; i < wanted.Length; i++)
        {
            PlainC.Check(LibNvml.nvmlDeviceCreateGpuInstance(_handle, (uint)wanted[i].Profile.Id, &instances[i]));
            PlainC.Check(LibNvml.nvmlGpuInstanceCreateComputeInstance(instances[i], (uint)wanted[i].Whole.Id, &inside[i]));
        }

        for (int i = 0; i < wanted.Length; i++)
        {
            PlainC.Check(LibNvml.nvmlComputeInstanceDestroy(inside[i]));
            PlainC.Check(LibNvml.nvmlGpuInstanceDestroy(instances[i]));
        }
    }
}
