// Layout: nvml.h of NVML 13 on x86-64, 8 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>Compute slices [start, start + size) of a GPU instance.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlComputeInstancePlacement_t
{
    public uint start;
    public uint size;
}
