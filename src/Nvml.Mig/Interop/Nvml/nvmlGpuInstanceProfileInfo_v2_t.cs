// Layout: nvml.h of NVML 13 on x86-64, 152 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The resources of an instance of a profile; version 2, with a name.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlGpuInstanceProfileInfo_v2_t
{
    /// <summary>NVML_STRUCT_VERSION. Set <see cref="version"/> before every call: drivers clear it.</summary>
    public const uint Version = 152 | (2 << 24);

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
