namespace Nvml.Mig.Interop;

/// <summary>A compute instance, as the driver calls it: an opaque pointer, valid until NVML is shut down. A type of its own, so that no other handle can take its place.</summary>
internal readonly struct nvmlComputeInstance_t
{
    public readonly nint Value;
}
