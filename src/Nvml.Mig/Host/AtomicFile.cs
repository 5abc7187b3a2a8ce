using Nvml.Mig.Native;

namespace Nvml.Mig.Host;

/// <summary>Writes files that are there whole or not at all, whenever the process dies.</summary>
internal static class AtomicFile
{
    /// <summary>
    /// Writes the file under a name that nobody can guess, puts it on the disk, and renames it. Neither step follows a link.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="content">What it has.</param>
    /// <param name="mode">Its rights.</param>
    /// <param name="toDisk">Whether it must be there after a crash of the machine, not only of the process.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode, bool toDisk = true)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MIG exists on Linux only.");
        string full = Path.GetFullPath(path);
        string unfinished = $"{full}.{Guid.NewGuid():N}.tmp";
        try
        {
            // CreateNew is O_EXCL: it never opens a file that is there.
            FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode };
            using (FileStream stream = new(unfinished, options))
            {
                File.SetUnixFileMode(stream.SafeFileHandle, mode); // whatever the umask
                stream.Write(content);
                stream.Flush(toDisk);
            }

            File.Move(unfinished, full, overwrite: true);
            if (toDisk)
                LinuxFile.SyncFolder(Path.GetDirectoryName(full)!);
        }
        catch
        {
            File.Delete(unfinished);
            throw;
        }
    }
}
