// Layout: nvml.h of NVML 13 on x86-64, 8 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>Busy time in per cent.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlUtilization_t
{
    public uint gpu;
    public uint memory;
}
