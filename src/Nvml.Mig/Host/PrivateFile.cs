namespace Nvml.Mig;

/// <summary>A file of this user's alone, which is there whole or not at all, whenever the process dies.</summary>
internal static class PrivateFile
{
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes the file under another name, puts it on the disk, and gives it its name. Folders are created as needed.</summary>
    public static void Write(string path, string text)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MIG exists on Linux only.");
        string full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!, FileMode | UnixFileMode.UserExecute);
        string unfinished = $"{full}.{Environment.ProcessId}.tmp";
        try
        {
            // One that a dead process of the same id left.
            File.Delete(unfinished);
            using (FileStream stream = new(unfinished, new FileStreamOptions { Mode = System.IO.FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = FileMode }))
            {
                using StreamWriter writer = new(stream, leaveOpen: true);
                writer.Write(text);
                writer.Flush();
                stream.Flush(flushToDisk: true);
            }

            File.Move(unfinished, full, overwrite: true);
        }
        catch
        {
            File.Delete(unfinished);
            throw;
        }
    }
}
