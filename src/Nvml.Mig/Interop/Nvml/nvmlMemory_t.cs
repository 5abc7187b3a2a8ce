// Layout: nvml.h of NVML 13 on x86-64, 24 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>Memory in bytes; what the driver reserves counts as used.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlMemory_t
{
    public ulong total;
    public ulong free;
    public ulong used;
}
