// Layout: nvml.h of NVML 13 on x86-64, 8 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>Memory slices [start, start + size) of a GPU.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlGpuInstancePlacement_t
{
    public uint start;
    public uint size;
}
