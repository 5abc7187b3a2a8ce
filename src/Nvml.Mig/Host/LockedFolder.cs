using Nvml.Mig.Native;

namespace Nvml.Mig.Host;

/// <summary>A folder of this user's or root's alone that one process works in at a time.</summary>
internal static class LockedFolder
{
    private const string LockName = "lock";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Takes the folder, and creates it if it is not there. To dispose of it is to let it go. Null if somebody else has it.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="files">The files in it that are read and written.</param>
    /// <exception cref="UnauthorizedAccessException">Others could have changed it, or this user may not.</exception>
    /// <exception cref="IOException">It cannot be created or locked.</exception>
    public static IDisposable? TryTake(string folder, params IEnumerable<string> files)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MIG exists on Linux only.");
        Directory.CreateDirectory(folder, OwnerOnly);
        Check(folder, files);
        return FileLock.TryTake(Path.Combine(folder, LockName));
    }

    /// <summary>Refuses a folder that others could have written to: what is in it leads root.</summary>
    /// <inheritdoc cref="TryTake"/>
    public static void Check(string folder, params IEnumerable<string> files)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(folder) & OthersWrite) != UnixFileMode.None)
        {
            throw new UnauthorizedAccessException(
                "Others can write to that folder. Choose one of your own, or take that right away (chmod go-w).");
        }

        uint owner = LinuxFile.OwnerOf(folder);
        if (owner != 0 && owner != LinuxFile.EffectiveUser)
            throw new UnauthorizedAccessException($"That folder belongs to the user {owner}. Choose one of your own.");
        foreach (string name in files.Append(LockName))
        {
            if (new FileInfo(Path.Combine(folder, name)).LinkTarget is { } target)
                throw new UnauthorizedAccessException($"{name} in it is a link to {target}.");
        }
    }
}
