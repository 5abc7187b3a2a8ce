using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>What .NET has no member for: to wait until a folder's entries are on disk, and to ask who owns a file.</summary>
internal static unsafe partial class LibC
{
    /// <summary>EWOULDBLOCK: the same number on all of Linux but Alpha, where .NET does not run.</summary>
    public const int WouldBlock = 11;

    private const int ReadOnlyFolder = 0x80000; // O_RDONLY | O_CLOEXEC

    private const int CurrentFolder = -100; // AT_FDCWD
    private const uint StatxUid = 0x8;

    // struct statx is the same on all architectures: 256 bytes, stx_uid at 20 (linux/stat.h).
    private const int StatxSize = 256;
    private const int StatxUidOffset = 20;

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Statx(int folder, string path, int flags, uint mask, byte* answer);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    /// <summary>The user id of a file's owner.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static uint OwnerOf(string path)
    {
        byte* answer = stackalloc byte[StatxSize];
        return Statx(CurrentFolder, path, 0, StatxUid, answer) == 0
            ? *(uint*)(answer + StatxUidOffset)
            : throw new IOException($"statx of {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    /// <summary>A file that was renamed is there after a crash only when its folder has been written too.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void SyncFolder(string folder)
    {
        int descriptor = Open(folder, ReadOnlyFolder);
        int failed = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (descriptor >= 0)
        {
            failed = Fsync(descriptor) == 0 ? 0 : Marshal.GetLastPInvokeError();
            _ = Close(descriptor);
        }

        if (failed != 0)
            throw new IOException($"fsync of {folder}: {Marshal.GetPInvokeErrorMessage(failed)}");
    }
}
