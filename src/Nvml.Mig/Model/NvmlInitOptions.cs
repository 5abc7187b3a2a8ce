namespace Nvml.Mig;

/// <summary>How NVML is initialised (NVML_INIT_FLAG_...).</summary>
[Flags]
public enum NvmlInitOptions
{
    /// <summary>All GPUs are attached.</summary>
    None = 0,

    /// <summary>A machine without a GPU is no error. Driver 580 never makes it one.</summary>
    NoGpus = 0x1,

    /// <summary>No GPU is attached: versions can be read, and the session shows no GPUs.</summary>
    NoAttach = 0x2,
}
