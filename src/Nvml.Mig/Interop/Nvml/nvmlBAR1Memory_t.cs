// Layout: nvml.h of NVML 13 on x86-64, 24 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The window through which the CPU and other GPUs reach the memory, in bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlBAR1Memory_t
{
    public ulong bar1Total;
    public ulong bar1Free;
    public ulong bar1Used;
}
