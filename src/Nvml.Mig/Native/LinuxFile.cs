using System.Runtime.InteropServices;
using static Nvml.Mig.Interop.LibC;

namespace Nvml.Mig.Native;

/// <summary>Questions about files, and operations on them, that .NET has no member for.</summary>
internal static unsafe class LinuxFile
{
    /// <summary>Whether a file could not be opened because another process has locked it. .NET keeps errno in the HResult.</summary>
    public static bool IsLocked(IOException e) => e.HResult == EWOULDBLOCK;

    /// <summary>The user id of this process.</summary>
    public static uint EffectiveUser => geteuid();

    /// <summary>The user id of a file's owner.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static uint OwnerOf(string path)
    {
        byte* answer = stackalloc byte[StatxSize];
        return statx(AT_FDCWD, path, 0, STATX_UID, answer) == 0
            ? *(uint*)(answer + StatxUidOffset)
            : throw new IOException($"statx of {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    /// <summary>Writes a folder's entries to the disk: without it, a renamed file may be missing after a crash.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void SyncFolder(string folder)
    {
        int descriptor = open(folder, O_RDONLY | O_CLOEXEC);
        int failed = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (descriptor >= 0)
        {
            failed = fsync(descriptor) == 0 ? 0 : Marshal.GetLastPInvokeError();
            _ = close(descriptor);
        }

        if (failed != 0)
            throw new IOException($"fsync of {folder}: {Marshal.GetPInvokeErrorMessage(failed)}");
    }
}
