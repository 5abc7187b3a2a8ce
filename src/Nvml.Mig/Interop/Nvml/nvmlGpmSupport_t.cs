// Layout: nvml.h of NVML 13 on x86-64, 8 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>Whether a GPU has performance monitoring.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlGpmSupport_t
{
    public uint version;
    public uint isSupportedDevice;
}
