using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

// nvml.h: Initialization and Cleanup, Error reporting
internal static unsafe partial class LibNvml
{
    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlInit_v2();

    /// <summary>flags are NVML_INIT_FLAG_*.</summary>
    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlInitWithFlags(uint flags);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlShutdown();

    [LibraryImport(Name)]
    public static partial byte* nvmlErrorString(nvmlReturn_t result);
}
