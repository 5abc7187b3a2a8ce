// nvml.h of NVML 13: an opaque pointer.
namespace Nvml.Mig.Interop;

/// <summary>The handle of a compute instance, valid until NVML is shut down.</summary>
internal readonly struct nvmlComputeInstance_t
{
    public readonly nint Value;
}
