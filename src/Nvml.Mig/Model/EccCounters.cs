namespace Nvml.Mig;

/// <summary>Kinds of memory errors.</summary>
public enum EccErrorType
{
    /// <summary>Errors that were corrected.</summary>
    Corrected = 0,

    /// <summary>Errors that were found and not corrected.</summary>
    Uncorrected = 1,
}

/// <summary>The time that errors are counted over.</summary>
public enum EccCounterType
{
    /// <summary>Since the driver was last loaded.</summary>
    Volatile = 0,

    /// <summary>Over the life of the GPU.</summary>
    Aggregate = 1,
}

/// <summary>Memories of a GPU that errors are counted in. Which there are depends on the GPU: an H200 has Dram and Sram.</summary>
public enum EccMemoryLocation
{
    /// <summary>Level 1 cache.</summary>
    L1Cache = 0,

    /// <summary>Level 2 cache.</summary>
    L2Cache = 1,

    /// <summary>The GPU's memory.</summary>
    Dram = 2,

    /// <summary>Register file.</summary>
    RegisterFile = 3,

    /// <summary>Texture memory.</summary>
    TextureMemory = 4,

    /// <summary>Shared memory.</summary>
    TextureShm = 5,

    /// <summary>Convergence barrier unit.</summary>
    Cbu = 6,

    /// <summary>All memories on the chip.</summary>
    Sram = 7,
}
