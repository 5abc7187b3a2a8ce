// nvml.h: Initialization and Cleanup, Error reporting; prototypes of NVML 13, checked by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

internal static unsafe partial class LibNvml
{
    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlInit_v2();

    /// <summary>flags are NVML_INIT_FLAG_*.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlInitWithFlags(uint flags);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlShutdown();

    [LibraryImport(Name), RequiredFunction]
    public static partial byte* nvmlErrorString(nvmlReturn_t result);
}
