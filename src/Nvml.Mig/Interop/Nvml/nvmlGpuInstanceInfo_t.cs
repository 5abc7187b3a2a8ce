// Layout: nvml.h of NVML 13 on x86-64, 24 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>A GPU instance: its device, id, profile and placement.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlGpuInstanceInfo_t
{
    public nvmlDevice_t device;
    public uint id;
    public uint profileId;
    public nvmlGpuInstancePlacement_t placement;
}
