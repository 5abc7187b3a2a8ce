// Layout: nvml.h of NVML 13 on x86-64, 68 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>Where a GPU sits on the PCI bus. The bus ids are NUL-terminated text.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlPciInfo_t
{
    public fixed byte busIdLegacy[16];
    public uint domain;
    public uint bus;
    public uint device;
    public uint pciDeviceId;
    public uint pciSubSystemId;
    public fixed byte busId[32];
}
