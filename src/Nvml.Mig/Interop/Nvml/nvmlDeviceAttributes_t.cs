// Layout: nvml.h of NVML 13 on x86-64, 40 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The resources of a MIG device.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlDeviceAttributes_t
{
    public uint multiprocessorCount;
    public uint sharedCopyEngineCount;
    public uint sharedDecoderCount;
    public uint sharedEncoderCount;
    public uint sharedJpegCount;
    public uint sharedOfaCount;
    public uint gpuInstanceSliceCount;
    public uint computeInstanceSliceCount;
    public ulong memorySizeMB;
}
