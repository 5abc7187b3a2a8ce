// linux/stat.h: struct statx, the same on all architectures, 256 bytes.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The kernel's description of a file. Members that nothing here reads are left out.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct statx_t
{
    [FieldOffset(20)]
    public uint stx_uid;

    [FieldOffset(28)]
    public ushort stx_mode;

    [FieldOffset(32)]
    public ulong stx_ino;

    [FieldOffset(40)]
    public ulong stx_size;

    [FieldOffset(136)]
    public uint stx_dev_major;

    [FieldOffset(140)]
    public uint stx_dev_minor;
}
