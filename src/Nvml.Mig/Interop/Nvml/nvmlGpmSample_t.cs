// nvml.h of NVML 13: an opaque pointer.
namespace Nvml.Mig.Interop;

/// <summary>A sample of performance counters: an opaque pointer, owned by its allocator.</summary>
internal readonly struct nvmlGpmSample_t(nint value)
{
    public readonly nint Value = value;
}
