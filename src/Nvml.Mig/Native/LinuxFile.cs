using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibC;

namespace Nvml.Mig.Native;

/// <summary>Questions about files, and operations on them, that .NET has no member for.</summary>
internal static unsafe class LinuxFile
{
    /// <summary>The user id of this process.</summary>
    public static uint EffectiveUser => geteuid();

    /// <summary>The flag of open that refuses a link.</summary>
    public static int NoLinks { get; } = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? O_NOFOLLOW_ARM64 : O_NOFOLLOW_X64;

    /// <summary>A path itself: if it is a link, the link.</summary>
    /// <exception cref="IOException">There is none, or it cannot be looked at.</exception>
    public static FileStatus Look(string path)
    {
        statx_t status;
        return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) == 0
            ? ToStatus(status)
            : throw Error("look at", path);
    }

    /// <summary>Opens a file to read it. Opening a FIFO does not block.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be opened.</exception>
    public static SafeFileHandle OpenRead(string path, bool followLinks, out FileStatus status)
    {
        int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (followLinks ? 0 : NoLinks));
        if (descriptor < 0)
            throw Error("open", path);
        SafeFileHandle handle = new(descriptor, ownsHandle: true);
        statx_t opened;
        if (statx(descriptor, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &opened) != 0)
        {
            Exception error = Error("look at", path);
            handle.Dispose();
            throw error;
        }

        status = ToStatus(opened);
        return handle;
    }

    /// <summary>Writes a folder's entries to the disk: without it, a renamed file may be missing after a crash.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void SyncFolder(string folder)
    {
        int descriptor = open(folder, O_RDONLY | O_CLOEXEC);
        if (descriptor < 0)
            throw Error("open", folder);
        Exception? error = fsync(descriptor) == 0 ? null : Error("write to the disk", folder);
        _ = close(descriptor);
        if (error is not null)
            throw error;
    }

    private static FileStatus ToStatus(statx_t status) => new(
        status.stx_uid,
        (UnixFileMode)(status.stx_mode & 0xFFF),
        IsRegular: (status.stx_mode & S_IFMT) == S_IFREG,
        IsLink: (status.stx_mode & S_IFMT) == S_IFLNK,
        (long)status.stx_size);

    private static Exception Error(string act, string path)
    {
        int error = Marshal.GetLastPInvokeError();
        string message = $"Cannot {act} {path}: {Marshal.GetPInvokeErrorMessage(error)}.";
        return error switch
        {
            ENOENT or ENOTDIR => new FileNotFoundException(message, path),
            EACCES => new UnauthorizedAccessException(message),
            ELOOP => new IOException($"Cannot {act} {path}: it is a link, and links are not followed here."),
            _ => new IOException(message, error),
        };
    }
}

/// <summary>The kernel's description of a file.</summary>
internal readonly record struct FileStatus(uint Owner, UnixFileMode Mode, bool IsRegular, bool IsLink, long Size);
