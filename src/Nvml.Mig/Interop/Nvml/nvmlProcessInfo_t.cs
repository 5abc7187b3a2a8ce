// Layout: nvml.h of NVML 13 on x86-64, 24 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>A process on a GPU. Unknown memory is all ones, no instance is 0xFFFFFFFF.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlProcessInfo_t
{
    public uint pid;
    public ulong usedGpuMemory;
    public uint gpuInstanceId;
    public uint computeInstanceId;
}
