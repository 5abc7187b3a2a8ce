// nvml.h of NVML 13: an opaque pointer.
namespace Nvml.Mig.Interop;

/// <summary>The handle of a GPU or a MIG device, valid until NVML is shut down.</summary>
internal readonly struct nvmlDevice_t
{
    public readonly nint Value;
}
