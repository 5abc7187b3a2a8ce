// Layout: nvml.h of NVML 13 on x86-64, 84 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The branch that the driver was built from, NUL-terminated text.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlSystemDriverBranchInfo_t
{
    /// <summary>NVML_STRUCT_VERSION. Set <see cref="version"/> before every call: drivers clear it.</summary>
    public const uint Version = 84 | (1 << 24);

    public uint version;
    public fixed byte branch[80];
}
