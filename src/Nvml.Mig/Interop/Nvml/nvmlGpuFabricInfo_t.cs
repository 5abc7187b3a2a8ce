// Layout: nvml.h of NVML 13 on x86-64, 28 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>A GPU's part in an NVLink fabric. state is a NVML_GPU_FABRIC_STATE_*.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlGpuFabricInfo_t
{
    public fixed byte clusterUuid[16];
    public nvmlReturn_t status;
    public uint cliqueId;
    public byte state;
}
