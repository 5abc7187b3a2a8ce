namespace Nvml.Mig;

/// <summary>The GPU, or the mode it is in, does not support the request: no MIG at all, or MIG mode disabled.</summary>
/// <inheritdoc/>
public sealed class NvmlNotSupportedException(NvmlReturnCode code, string function, string message, Exception? innerException = null)
    : NvmlException(code, function, message, innerException);

/// <summary>The caller may not do this: it takes root, or the MIG config (changes) or monitor (reads) capability.</summary>
/// <inheritdoc/>
public sealed class NvmlNoPermissionException(NvmlReturnCode code, string function, string message, Exception? innerException = null)
    : NvmlException(code, function, message, innerException);

/// <summary>There is no such GPU, instance or MIG device, or not any more.</summary>
/// <inheritdoc/>
public sealed class NvmlNotFoundException(NvmlReturnCode code, string function, string message, Exception? innerException = null)
    : NvmlException(code, function, message, innerException);

/// <summary>Something still uses it: a process, a monitoring service, or an instance inside.</summary>
/// <inheritdoc/>
public sealed class NvmlInUseException(NvmlReturnCode code, string function, string message, Exception? innerException = null)
    : NvmlException(code, function, message, innerException);

/// <summary>There is no room: no free placement is left, or the profile's limit is reached.</summary>
/// <inheritdoc/>
public sealed class NvmlInsufficientResourcesException(
    NvmlReturnCode code, string function, string message, Exception? innerException = null)
    : NvmlException(code, function, message, innerException);

/// <summary>The GPU must be reset before it can go on.</summary>
/// <inheritdoc/>
public sealed class NvmlResetRequiredException(NvmlReturnCode code, string function, string message, Exception? innerException = null)
    : NvmlException(code, function, message, innerException);

/// <summary>
/// NVML itself is out of reach: the library is missing, is not NVML or does not fit the kernel driver, or the driver is not
/// loaded.
/// </summary>
/// <inheritdoc/>
public sealed class NvmlLibraryException(NvmlReturnCode code, string function, string message, Exception? innerException = null)
    : NvmlException(code, function, message, innerException);
