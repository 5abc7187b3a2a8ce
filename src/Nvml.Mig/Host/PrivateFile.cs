using Nvml.Mig.Native;

namespace Nvml.Mig.Host;

/// <summary>A file of this user's alone, which is there whole or not at all, whenever the process dies.</summary>
internal static class PrivateFile
{
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes the file under another name, puts it on the disk, and gives it its name. Folders are created as needed.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MIG exists on Linux only.");
        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full)!;
        Directory.CreateDirectory(folder, FileMode | UnixFileMode.UserExecute);
        string unfinished = full + ".tmp";
        try
        {
            // One that a dead process left: who writes excludes others.
            File.Delete(unfinished);
            using (FileStream stream = new(unfinished, new FileStreamOptions { Mode = System.IO.FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = FileMode }))
            {
                stream.Write(content);
                stream.Flush(flushToDisk: true);
            }

            File.Move(unfinished, full, overwrite: true);
            LinuxFile.SyncFolder(folder);
        }
        catch
        {
            File.Delete(unfinished);
            throw;
        }
    }
}
