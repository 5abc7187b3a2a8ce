using System.Runtime.Versioning;

namespace Nvml.Mig.Host;

/// <summary>A folder of this user's through which others come to what is theirs, such as a socket: mode 755, whatever the umask.</summary>
public static class PassableFolder
{
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Creates it and the parents that are missing. What is there stays as it is.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="IOException">It cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be created.</exception>
    /// <exception cref="PlatformNotSupportedException">The system is Windows.</exception>
    public static void Create(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MIG exists on Linux only.");
        Stack<string> missing = new();
        for (DirectoryInfo? at = new(folder); at is { Exists: false }; at = at.Parent)
            missing.Push(Path.TrimEndingDirectorySeparator(at.FullName));
        foreach (string path in missing)
            CreateOne(path);
    }

    [UnsupportedOSPlatform("windows")]
    private static void CreateOne(string path)
    {
        // Where others may write, one of them could put a link here, whose target would get the mode: nobody can guess this name.
        string unfinished = $"{path}.{Guid.NewGuid():N}.tmp";
        Directory.CreateDirectory(unfinished);
        try
        {
            File.SetUnixFileMode(unfinished, Mode);
            Directory.Move(unfinished, path);
        }
        catch (IOException) when (Directory.Exists(path))
        {
            // Another process came first.
            Directory.Delete(unfinished);
        }
        catch
        {
            Directory.Delete(unfinished);
            throw;
        }
    }
}
