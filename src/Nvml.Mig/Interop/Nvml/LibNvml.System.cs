using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

// nvml.h: System Queries
internal static unsafe partial class LibNvml
{
    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlSystemGetDriverVersion(byte* version, uint length);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlSystemGetNVMLVersion(byte* version, uint length);

    /// <summary>1000 * major + 10 * minor.</summary>
    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int* cudaDriverVersion);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlSystemGetDriverBranch(nvmlSystemDriverBranchInfo_t* branchInfo, uint length);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlSystemGetProcessName(uint pid, byte* name, uint length);
}
