using System.Globalization;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>Return codes as exceptions.</summary>
internal static class NvmlErrors
{
    /// <summary>NVML_ERROR_IN_USE; the number alone for a code that this version does not know.</summary>
    public static string Symbol(nvmlReturn_t code) =>
        Enum.IsDefined(code) ? code.ToString() : ((int)code).ToString(CultureInfo.InvariantCulture);

    /// <summary>"Cannot {act}: In use by another client (NVML_ERROR_IN_USE, 19, from nvmlGpuInstanceDestroy). {hint}"</summary>
    public static NvmlException Create(nvmlReturn_t code, string function, string act, string? hint, bool? isTransient)
    {
        string message = $"Cannot {act}: {Text(code)} ({Symbol(code)}, {(int)code}, from {function}). {hint ?? Hint(code)}".TrimEnd();
        return Create((NvmlReturnCode)code, function, message, isTransient, null);
    }

    /// <summary>The exception of the type that belongs to a code; <paramref name="isTransient"/> null: as the code says.</summary>
    public static NvmlException Create(NvmlReturnCode code, string function, string message, bool? isTransient, Exception? inner) =>
        code switch
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

    /// <summary>NVML's own words. nvmlErrorString needs no initialised library, and answers "Unknown Error" to unknown codes.</summary>
    private static unsafe string Text(nvmlReturn_t code) => NativeText.ReadStatic(LibNvml.nvmlErrorString(code));

    private static string Hint(nvmlReturn_t code) => code switch
    {
        NVML_ERROR_NO_PERMISSION =>
            "This takes root, or the MIG capability: /dev/nvidia-caps/nvidia-cap1 for changes, nvidia-cap2 for reading.",
        NVML_ERROR_DRIVER_NOT_LOADED => "Load the NVIDIA kernel driver (nvidia-smi or 'modprobe nvidia' does), or install it.",
        NVML_ERROR_LIB_RM_VERSION_MISMATCH =>
            "The driver was updated while its kernel module was loaded: reboot, or unload and load the module.",
        NVML_ERROR_FUNCTION_NOT_FOUND => "The installed driver is too old for this.",
        NVML_ERROR_IN_USE => "Something still uses it: a process, a monitoring service such as DCGM (nvmig doctor and GpuClients find those), or an instance inside.",
        NVML_ERROR_GPU_IS_LOST => "The GPU no longer answers: see the kernel's log for its Xid, then reset the GPU or reboot.",
        NVML_ERROR_RESET_REQUIRED => "Reset the GPU (nvidia-smi --gpu-reset) once nothing uses it, or reboot.",
        NVML_ERROR_OPERATING_SYSTEM => "A container's device rules may withhold the GPU.",
        _ => "",
    };
}
