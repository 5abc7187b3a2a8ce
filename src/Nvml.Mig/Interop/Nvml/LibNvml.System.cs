// nvml.h: System Queries; prototypes of NVML 13, checked by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

internal static unsafe partial class LibNvml
{
    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlSystemGetDriverVersion(byte* version, uint length);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlSystemGetNVMLVersion(byte* version, uint length);

    /// <summary>1000 * major + 10 * minor.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int* cudaDriverVersion);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlSystemGetDriverBranch(nvmlSystemDriverBranchInfo_t* branchInfo, uint length);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlSystemGetProcessName(uint pid, byte* name, uint length);
}
