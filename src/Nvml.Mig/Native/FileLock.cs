using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibC;

namespace Nvml.Mig.Native;

/// <summary>
/// A file that one process holds at a time. The lock is the kernel's (flock): it ends with the process, however that ends. .NET's own lock
/// on a file (FileShare.None) can be switched off by DOTNET_SYSTEM_IO_DISABLEFILELOCKING; this one cannot.
/// </summary>
internal sealed unsafe class FileLock : IDisposable
{
    private const uint OwnerOnly = 0x180; // 0600

    private readonly SafeFileHandle _file;

    private FileLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes the lock, and creates the file if it is not there. Null if another process has it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="isShared">Whether others may hold it too, if they share it as well.</param>
    /// <exception cref="IOException">The file cannot be opened or locked.</exception>
    public static FileLock? TryTake(string path, bool isShared = false)
    {
        while (true)
        {
            SafeFileHandle file = new(
                Check(Repeat(() => open(path, O_RDWR | O_CREAT | O_CLOEXEC | LinuxFile.NoLinks, OwnerOnly)), "open", path),
                ownsHandle: true);
            int descriptor = (int)file.DangerousGetHandle();
            int result = Repeat(() => flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB));
            // Another process can have deleted or replaced the file between the two calls: others then lock the file that has its name now.
            if (result == 0 && IdentityOf(descriptor, "", AT_EMPTY_PATH) is { } mine && mine == IdentityOf(AT_FDCWD, path, 0))
                return new FileLock(file);
            file.Dispose();
            if (result == -EWOULDBLOCK)
                return null;
            Check(result, "flock", path);
        }
    }

    /// <summary>
    /// Lets the lock go. Closing the file is not enough: a process that another thread starts just now has a copy of the file until it
    /// runs its own program.
    /// </summary>
    public void Dispose()
    {
        if (!_file.IsClosed)
            _ = flock((int)_file.DangerousGetHandle(), LOCK_UN);
        _file.Dispose();
    }

    /// <summary>Device and inode; null if there is no such file.</summary>
    private static (uint Major, uint Minor, ulong Inode)? IdentityOf(int folder, string path, int flags)
    {
        statx_t status;
        return statx(folder, path, flags, STATX_BASIC_STATS, &status) == 0
            ? (status.stx_dev_major, status.stx_dev_minor, status.stx_ino)
            : null;
    }

    /// <summary>Calls again if a signal interrupted the call. Its result, or the negative error number.</summary>
    private static int Repeat(Func<int> call)
    {
        while (true)
        {
            int result = call();
            int error = result < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (error != EINTR)
                return error == 0 ? result : -error;
        }
    }

    private static int Check(int result, string function, string path) =>
        result >= 0 ? result : throw new IOException($"{function} of {path}: {Marshal.GetPInvokeErrorMessage(-result)}");
}
