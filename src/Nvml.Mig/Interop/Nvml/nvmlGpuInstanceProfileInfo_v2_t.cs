// Layout: nvml.h of NVML 13 on x86-64, 152 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>What an instance of a profile has; version 2, with a name.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlGpuInstanceProfileInfo_v2_t
{
    /// <summary>What <see cref="version"/> must hold before every call: the driver clears it.</summary>
    public static uint Version => LibNvml.StructVersion<nvmlGpuInstanceProfileInfo_v2_t>(2);

    public uint version;
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
    public fixed byte name[96];
}
