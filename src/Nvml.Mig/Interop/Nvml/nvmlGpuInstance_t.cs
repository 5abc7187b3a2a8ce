// nvml.h of NVML 13: an opaque pointer.
namespace Nvml.Mig.Interop;

/// <summary>The handle of a GPU instance, valid until NVML is shut down.</summary>
internal readonly struct nvmlGpuInstance_t
{
    public readonly nint Value;
}
