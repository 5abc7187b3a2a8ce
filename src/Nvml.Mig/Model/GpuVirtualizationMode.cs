namespace Nvml.Mig;

/// <summary>How a GPU is virtualized (nvmlGpuVirtualizationMode_t).</summary>
public enum GpuVirtualizationMode
{
    /// <summary>Not at all: the machine has the GPU itself.</summary>
    None = 0,

    /// <summary>The whole GPU is passed through to this virtual machine.</summary>
    Passthrough = 1,

    /// <summary>It is a virtual GPU in this virtual machine.</summary>
    Vgpu = 2,

    /// <summary>It is shared out as virtual GPUs by this host.</summary>
    HostVgpu = 3,

    /// <summary>It is shared out for virtual graphics by this host.</summary>
    HostVsga = 4,
}
