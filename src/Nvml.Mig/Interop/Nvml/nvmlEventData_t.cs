// Layout: nvml.h of NVML 13 on x86-64, 32 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>Something that happened to a GPU. No instance is 0xFFFFFFFF.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlEventData_t
{
    public nvmlDevice_t device;
    public ulong eventType;
    public ulong eventData;
    public uint gpuInstanceId;
    public uint computeInstanceId;
}
