// Layout: nvml.h of NVML 13 on x86-64, 40 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>Memory in bytes; what the driver reserves is apart.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlMemory_v2_t
{
    /// <summary>NVML_STRUCT_VERSION. Set <see cref="version"/> before every call: drivers clear it.</summary>
    public const uint Version = 40 | (2 << 24);

    public uint version;
    public ulong total;
    public ulong reserved;
    public ulong free;
    public ulong used;
}
