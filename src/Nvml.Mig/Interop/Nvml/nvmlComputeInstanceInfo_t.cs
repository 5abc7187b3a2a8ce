// Layout: nvml.h of NVML 13 on x86-64, 32 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>A compute instance. By the header, its device is the GPU.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlComputeInstanceInfo_t
{
    public nvmlDevice_t device;
    public nvmlGpuInstance_t gpuInstance;
    public uint id;
    public uint profileId;
    public nvmlComputeInstancePlacement_t placement;
}
