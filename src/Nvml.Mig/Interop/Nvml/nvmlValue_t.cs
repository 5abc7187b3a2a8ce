// Layout: nvml.h of NVML 13 on x86-64, 8 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>A value of one of several types.</summary>
[StructLayout(LayoutKind.Explicit)]
internal struct nvmlValue_t
{
    [FieldOffset(0)]
    public double dVal;

    [FieldOffset(0)]
    public int siVal;

    [FieldOffset(0)]
    public uint uiVal;

    [FieldOffset(0)]
    public ulong ulVal;

    [FieldOffset(0)]
    public ulong ullVal;

    [FieldOffset(0)]
    public long sllVal;

    [FieldOffset(0)]
    public ushort usVal;
}
