// nvml.h of NVML 13: an opaque pointer.
namespace Nvml.Mig.Interop;

/// <summary>A set of events to wait for: an opaque pointer, owned by its creator.</summary>
internal readonly struct nvmlEventSet_t(nint value)
{
    public readonly nint Value = value;
}
