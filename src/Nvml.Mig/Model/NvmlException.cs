namespace Nvml.Mig;

/// <summary>
/// An NVML function failed. The message names the act and the GPU, the function and its code, and what to do about it.
/// </summary>
/// <remarks>
/// Derived types exist where callers act differently. Catch this type for all of them:
/// <see cref="NvmlNotSupportedException"/>, <see cref="NvmlNoPermissionException"/>, <see cref="NvmlNotFoundException"/>,
/// <see cref="NvmlInUseException"/>, <see cref="NvmlInsufficientResourcesException"/>,
/// <see cref="NvmlResetRequiredException"/>, <see cref="NvmlLibraryException"/>.
/// </remarks>
public class NvmlException : Exception
{
    /// <summary>Creates an exception for a return code of a native function.</summary>
    /// <param name="code">The code that the function returned.</param>
    /// <param name="function">The native function, such as <c>nvmlDeviceCreateGpuInstance</c>.</param>
    /// <param name="message">The whole message.</param>
    /// <param name="innerException">The cause, if an exception.</param>
    public NvmlException(NvmlReturnCode code, string function, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Code = code;
        Function = function;
        IsTransient = code is NvmlReturnCode.InUse or NvmlReturnCode.NotReady or NvmlReturnCode.Timeout;
    }

    /// <summary>The code that the function returned.</summary>
    public NvmlReturnCode Code { get; }

    /// <summary>The native function, such as <c>nvmlDeviceCreateGpuInstance</c>.</summary>
    public string Function { get; }

    /// <summary>
    /// Whether the same call may succeed a little later with nothing done about the cause: something was in use by others, not ready,
    /// or timed out. False where the caller itself must act first, as with a GPU instance that still has compute instances.
    /// </summary>
    public bool IsTransient { get; init; }
}
