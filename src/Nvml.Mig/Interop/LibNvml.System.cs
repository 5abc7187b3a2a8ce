using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

// nvml.h: System Queries
internal static unsafe partial class LibNvml
{
    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlSystemGetDriverVersion(byte* version, uint length);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlSystemGetNVMLVersion(byte* version, uint length);
}
