namespace Nvml.Mig;

/// <summary>Creates the exceptions of this library. Texts that more than one place needs are here.</summary>
internal static class NvmlErrors
{
    public const string HowToNameGpus = "GPUs are named by index (0), UUID (GPU-...) or PCI bus id (0000:07:00.0).";

    /// <summary>The exception of the type that belongs to a code.</summary>
    /// <param name="code">The code.</param>
    /// <param name="function">The native function.</param>
    /// <param name="message">The whole message.</param>
    /// <param name="isTransient">Null: as the code says.</param>
    /// <param name="inner">The cause, if an exception.</param>
    public static NvmlException Create(
        NvmlReturnCode code, string function, string message, bool? isTransient = null, Exception? inner = null) => code switch
        {
            NvmlReturnCode.NotSupported => new NvmlNotSupportedException(code, function, message, inner),
            NvmlReturnCode.NoPermission => new NvmlNoPermissionException(code, function, message, inner),
            NvmlReturnCode.NotFound => new NvmlNotFoundException(code, function, message, inner),
            NvmlReturnCode.InUse => new NvmlInUseException(code, function, message, inner) { IsTransient = isTransient ?? true },
            NvmlReturnCode.InsufficientResources => new NvmlInsufficientResourcesException(code, function, message, inner),
            NvmlReturnCode.ResetRequired => new NvmlResetRequiredException(code, function, message, inner),
            NvmlReturnCode.LibraryNotFound or NvmlReturnCode.DriverNotLoaded or NvmlReturnCode.LibRmVersionMismatch =>
                new NvmlLibraryException(code, function, message, inner),
            _ => new NvmlException(code, function, message, inner),
        };

    /// <summary>
    /// "Cannot {act}: In use by another client (NVML_ERROR_IN_USE, 19, from nvmlGpuInstanceDestroy). {hint}", for a native call that
    /// failed.
    /// </summary>
    /// <param name="code">The code that the call returned.</param>
    /// <param name="function">The native function.</param>
    /// <param name="act">"destroy GPU instance 2 of GPU 0 (GPU-...)".</param>
    /// <param name="words">NVML's own words for the code.</param>
    /// <param name="hint">The remedy; null: the one for the code in general.</param>
    /// <param name="isTransient">Null: as the code says.</param>
    public static NvmlException Failed(
        NvmlReturnCode code, string function, string act, string words, string? hint = null, bool? isTransient = null)
    {
        string message = $"Cannot {act}: {words} ({code.ToSymbol()}, {(int)code}, from {function}). {hint ?? Hint(code)}";
        return Create(code, function, message.TrimEnd(), isTransient);
    }

    /// <summary>"{statement} (NVML_ERROR_INVALID_ARGUMENT, 2). {advice}", for a request that this library refuses itself.</summary>
    public static NvmlException Refused(NvmlReturnCode code, string function, string statement, string advice = "") =>
        Create(code, function, $"{statement} {Tag(code)}. {advice}".TrimEnd());

    /// <summary>"(NVML_ERROR_INVALID_ARGUMENT, 2)".</summary>
    public static string Tag(NvmlReturnCode code) => $"({code.ToSymbol()}, {(int)code})";

    /// <summary>"{what} does not exist any more ...".</summary>
    public static NvmlException Gone(string function, string what) => Create(
        NvmlReturnCode.NotFound,
        function,
        $"{what} does not exist any more: it was destroyed. Another may stand in its place now; list the instances again.");

    /// <summary>
    /// The same failure as no <see cref="NvmlNotFoundException"/>: something that exists, and that the driver refuses to read, is not gone.
    /// </summary>
    public static NvmlException AsUnreadable(NvmlException e) => new(e.Code, e.Function, $"{e.Message} It exists, and cannot be read.", e);

    /// <summary>The remedy for the code in general, and the state after the failed call.</summary>
    public static string HintAnd(NvmlReturnCode code, string state) => $"{Hint(code)} {state}".TrimStart();

    private static string Hint(NvmlReturnCode code) => code switch
    {
        NvmlReturnCode.NoPermission =>
            "This takes root, or the MIG capability: /dev/nvidia-caps/nvidia-cap1 for changes, nvidia-cap2 for reading.",
        NvmlReturnCode.DriverNotLoaded => "Load the NVIDIA kernel driver (nvidia-smi or 'modprobe nvidia' does), or install it.",
        NvmlReturnCode.LibRmVersionMismatch =>
            "The driver was updated while its kernel module was loaded: reboot, or unload and load the module.",
        NvmlReturnCode.FunctionNotFound => "The installed driver is too old for this.",
        NvmlReturnCode.InUse =>
            "Something still uses it: a process, a monitoring service such as DCGM ('nvmig doctor' finds those), or an instance inside.",
        NvmlReturnCode.GpuIsLost => "The GPU no longer answers: see the kernel's log for its Xid, then reset the GPU or reboot.",
        NvmlReturnCode.ResetRequired => "Reset the GPU (nvidia-smi --gpu-reset) once nothing uses it, or reboot.",
        NvmlReturnCode.OperatingSystem => "A container's device rules may withhold the GPU.",
        _ => "",
    };
}
