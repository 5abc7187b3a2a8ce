// Layout: nvml.h of NVML 13 on x86-64, 140 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>What a compute instance of a profile has; version 3, with capabilities.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlComputeInstanceProfileInfo_v3_t
{
    /// <summary>What <see cref="version"/> must hold before every call: the driver clears it.</summary>
    public static uint Version => LibNvml.StructVersion<nvmlComputeInstanceProfileInfo_v3_t>(3);

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
