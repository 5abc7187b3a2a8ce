namespace Nvml.Mig;

/// <summary>
/// The return codes of NVML functions (nvmlReturn_t). Newer drivers may return values that are not named here.
/// </summary>
public enum NvmlReturnCode
{
    /// <summary>The call succeeded.</summary>
    Success = 0,

    /// <summary>NVML was not initialised, or was shut down.</summary>
    Uninitialized = 1,

    /// <summary>An argument is wrong: an unknown profile id, an impossible placement, a handle of something that is gone.</summary>
    InvalidArgument = 2,

    /// <summary>The GPU, or its present mode, does not support this.</summary>
    NotSupported = 3,

    /// <summary>The caller lacks the right: root, or the MIG config or monitor capability.</summary>
    NoPermission = 4,

    /// <summary>Obsolete: NVML counts initialisations instead.</summary>
    AlreadyInitialized = 5,

    /// <summary>There is no such GPU, instance or MIG device.</summary>
    NotFound = 6,

    /// <summary>A buffer is too short.</summary>
    InsufficientSize = 7,

    /// <summary>A GPU's external power cables are not properly attached.</summary>
    InsufficientPower = 8,

    /// <summary>The NVIDIA kernel driver is not loaded.</summary>
    DriverNotLoaded = 9,

    /// <summary>The time given to wait is over.</summary>
    Timeout = 10,

    /// <summary>The kernel found an interrupt problem with a GPU.</summary>
    IrqIssue = 11,

    /// <summary>The NVML library could not be found or loaded.</summary>
    LibraryNotFound = 12,

    /// <summary>This version of NVML does not have the function.</summary>
    FunctionNotFound = 13,

    /// <summary>The GPU's InfoROM is damaged.</summary>
    CorruptedInforom = 14,

    /// <summary>The GPU has fallen off the bus or is otherwise out of reach.</summary>
    GpuIsLost = 15,

    /// <summary>The GPU must be reset before it can be used again.</summary>
    ResetRequired = 16,

    /// <summary>The operating system, or a control group, blocks access to the GPU.</summary>
    OperatingSystem = 17,

    /// <summary>NVML and the kernel driver are of different versions, as after an update without a reboot.</summary>
    LibRmVersionMismatch = 18,

    /// <summary>Another client uses it.</summary>
    InUse = 19,

    /// <summary>Memory ran out.</summary>
    Memory = 20,

    /// <summary>There is no data.</summary>
    NoData = 21,

    /// <summary>A vGPU operation is not possible with ECC enabled.</summary>
    VgpuEccNotSupported = 22,

    /// <summary>There is no room left: no free placement, or the profile's limit is reached.</summary>
    InsufficientResources = 23,

    /// <summary>The frequency is not supported.</summary>
    FreqNotSupported = 24,

    /// <summary>The version of a structure is not one that this driver knows.</summary>
    ArgumentVersionMismatch = 25,

    /// <summary>The function is no longer supported.</summary>
    Deprecated = 26,

    /// <summary>The system is not ready for the request.</summary>
    NotReady = 27,

    /// <summary>No GPU was found.</summary>
    GpuNotFound = 28,

    /// <summary>The resource is not in a state that allows the request.</summary>
    InvalidState = 29,

    /// <summary>The GPU does not support this kind of reset.</summary>
    ResetTypeNotSupported = 30,

    /// <summary>An internal driver error.</summary>
    Unknown = 999,
}
