// Linux system calls, by glibc and musl alike: constants of the kernel's generic ABI (x86-64 and arm64).
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>The functions of libc that .NET has no member for: declarations only.</summary>
internal static unsafe partial class LibC
{
    public const int EWOULDBLOCK = 11;
    public const int AT_FDCWD = -100;
    public const int O_RDONLY = 0;
    public const int O_CLOEXEC = 0x80000;

    public const uint STATX_UID = 0x8;

    /// <summary>sizeof(struct statx) and offsetof(struct statx, stx_uid), the same on all architectures (linux/stat.h).</summary>
    public const int StatxSize = 256;
    public const int StatxUidOffset = 20;

    [LibraryImport("libc")]
    public static partial uint geteuid();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int statx(int dirfd, string pathname, int flags, uint mask, byte* statxbuf);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int open(string pathname, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fsync(int fd);

    [LibraryImport("libc")]
    public static partial int close(int fd);
}
