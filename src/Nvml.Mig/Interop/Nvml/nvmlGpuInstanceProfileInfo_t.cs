// Layout: nvml.h of NVML 13 on x86-64, 48 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The resources of an instance of a profile; version 1, without a name.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlGpuInstanceProfileInfo_t
{
    public uint id;
    public uint isP2pSupported;
    public uint sliceCount;
    public uint instanceCount;
    public uint multiprocessorCount;
    public uint copyEngineCount;
    public uint decoderCount;
    public uint encoderCount;
    public uint jpegCount;
    public uint ofaCount;
    public ulong memorySizeMB;
}
