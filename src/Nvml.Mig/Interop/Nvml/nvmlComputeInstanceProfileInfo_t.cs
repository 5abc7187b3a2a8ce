// Layout: nvml.h of NVML 13 on x86-64, 36 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The resources of a compute instance of a profile; version 1, without a name.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlComputeInstanceProfileInfo_t
{
    public uint id;
    public uint sliceCount;
    public uint instanceCount;
    public uint multiprocessorCount;
    public uint sharedCopyEngineCount;
    public uint sharedDecoderCount;
    public uint sharedEncoderCount;
    public uint sharedJpegCount;
    public uint sharedOfaCount;
}
