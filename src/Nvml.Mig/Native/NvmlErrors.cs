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
        NvmlReturnCode publicCode = (NvmlReturnCode)code;
        return code switch
        {
            NVML_ERROR_NOT_SUPPORTED => new NvmlNotSupportedException(publicCode, function, message),
            NVML_ERROR_NO_PERMISSION => new NvmlNoPermissionException(publicCode, function, message),
            NVML_ERROR_NOT_FOUND => new NvmlNotFoundException(publicCode, function, message),
            NVML_ERROR_IN_USE => new NvmlInUseException(publicCode, function, message) { IsTransient = isTransient ?? true },
            NVML_ERROR_INSUFFICIENT_RESOURCES => new NvmlInsufficientResourcesException(publicCode, function, message),
            NVML_ERROR_RESET_REQUIRED => new NvmlResetRequiredException(publicCode, function, message),
            NVML_ERROR_LIBRARY_NOT_FOUND or NVML_ERROR_DRIVER_NOT_LOADED or NVML_ERROR_LIB_RM_VERSION_MISMATCH =>
                new NvmlLibraryException(publicCode, function, message),
            _ => new NvmlException(publicCode, function, message),
        };
    }

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
        NVML_ERROR_IN_USE => "Something still uses it: a process, a monitoring service such as DCGM, or an instance inside.",
        NVML_ERROR_GPU_IS_LOST => "The GPU no longer answers: see the kernel's log for its Xid, then reset the GPU or reboot.",
        NVML_ERROR_RESET_REQUIRED => "Reset the GPU (nvidia-smi --gpu-reset) once nothing uses it, or reboot.",
        NVML_ERROR_OPERATING_SYSTEM => "A container's device rules may withhold the GPU, or the simulated machine's file failed.",
        _ => "",
    };
}
