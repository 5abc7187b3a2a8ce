// Layout: nvml.h of NVML 13 on x86-64, 84 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The branch that the driver was built from, NUL-terminated text.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlSystemDriverBranchInfo_t
{
    /// <summary>What <see cref="version"/> must hold before every call: drivers clear it in some structs.</summary>
    public static uint Version => LibNvml.StructVersion<nvmlSystemDriverBranchInfo_t>(1);

    public uint version;
    public fixed byte branch[80];
}
