namespace Nvml.Mig;

/// <summary>
/// The capabilities of the GPU instances of a profile beyond their size (NVML_GPU_INSTANCE_PROFILE_CAPS_...). Newer drivers may know more
/// bits.
/// </summary>
[Flags]
public enum GpuInstanceCapabilities
{
    /// <summary>Nothing more.</summary>
    None = 0,

    /// <summary>Reach other GPUs directly.</summary>
    PeerToPeer = 0x1,

    /// <summary>Draw.</summary>
    Graphics = 0x2,
}

/// <summary>
/// The capabilities of the compute instances of a profile beyond their size (NVML_COMPUTE_INSTANCE_PROFILE_CAPS_...). Newer drivers may
/// know more bits.
/// </summary>
[Flags]
public enum ComputeInstanceCapabilities
{
    /// <summary>Nothing more.</summary>
    None = 0,

    /// <summary>Draw.</summary>
    Graphics = 0x1,
}
