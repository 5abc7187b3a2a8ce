// Layout: nvml.h of NVML 13 on x86-64, 40 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>Memory in bytes; what the driver reserves is apart.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlMemory_v2_t
{
    /// <summary>What <see cref="version"/> must hold before every call: drivers clear it in some structs.</summary>
    public static uint Version => LibNvml.StructVersion<nvmlMemory_v2_t>(2);

    public uint version;
    public ulong total;
    public ulong reserved;
    public ulong free;
    public ulong used;
}
