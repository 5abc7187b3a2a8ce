// Layout: nvml.h of NVML 13 on x86-64, 140 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The resources of a compute instance of a profile; version 3, with capabilities.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlComputeInstanceProfileInfo_v3_t
{
    /// <summary>NVML_STRUCT_VERSION. Set <see cref="version"/> before every call: drivers clear it.</summary>
    public const uint Version = 140 | (3 << 24);

    public uint version;
    public uint id;
    public uint sliceCount;
    public uint instanceCount;
    public uint multiprocessorCount;
    public uint sharedCopyEngineCount;
    public uint sharedDecoderCount;
    public uint sharedEncoderCount;
    public uint sharedJpegCount;
    public uint sharedOfaCount;
    public fixed byte name[96];
    public uint capabilities;
}
