using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <content>What locks on files need (sys/file.h, fcntl.h, linux/stat.h).</content>
internal static unsafe partial class LibC
{
    public const int EINTR = 4;
    public const int O_RDWR = 2;
    public const int O_CREAT = 0x40;
    public const int LOCK_EX = 2;
    public const int LOCK_NB = 4;
    public const int LOCK_UN = 8;
    public const int AT_EMPTY_PATH = 0x1000;
    public const uint STATX_INO = 0x100;

    /// <summary>offsetof(struct statx, ...), the same on all architectures.</summary>
    public const int StatxInodeOffset = 32;
    public const int StatxDeviceMajorOffset = 136;
    public const int StatxDeviceMinorOffset = 140;

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int open(string pathname, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int flock(int fd, int operation);
}
