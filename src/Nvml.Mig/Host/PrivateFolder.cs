using Nvml.Mig.Native;

namespace Nvml.Mig.Host;

/// <summary>
/// A folder that only this user and root can change. Its files lead root: they say what to destroy and what to start.
/// </summary>
internal static class PrivateFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>As many links as the kernel follows in a path.</summary>
    private const int MaxLinks = 40;

    /// <summary>Creates the folder, where needed with its parents, and checks it.</summary>
    /// <inheritdoc cref="Check"/>
    public static void Create(string folder)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MIG exists on Linux only.");
        Directory.CreateDirectory(folder, OwnerOnly);
        Check(folder);
    }

    /// <summary>
    /// Checks that nobody but this user and root can replace the folder, a parent of it or a link to it. A parent in which others may only
    /// add files of their own, such as /tmp, is allowed.
    /// </summary>
    /// <exception cref="UnauthorizedAccessException">Another user can; the message names the folder.</exception>
    /// <exception cref="FileNotFoundException">There is no such folder.</exception>
    /// <exception cref="IOException">A folder cannot be looked at.</exception>
    public static void Check(string folder)
    {
        Stack<string> rest = new(Split(Path.GetFullPath(folder)));
        string at = "/";
        CheckPart(at, isLast: false);
        for (int links = 0; rest.TryPop(out string? name);)
        {
            string path = Path.Combine(at, name);
            FileStatus status = CheckPart(path, isLast: rest.Count == 0);
            if (!status.IsLink)
            {
                at = path;
                continue;
            }

            if (++links > MaxLinks)
                throw new IOException($"There are too many links on the way to {folder}.");
            string target = Path.GetFullPath(new FileInfo(path).LinkTarget!, at);
            foreach (string part in Split(target))
                rest.Push(part);
            at = "/";
        }
    }

    /// <summary>The parts of a path, the last one first.</summary>
    private static IEnumerable<string> Split(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse();

    private static FileStatus CheckPart(string path, bool isLast)
    {
        FileStatus status = LinuxFile.Look(path);
        if (status.Owner != 0 && status.Owner != LinuxFile.EffectiveUser)
            throw new UnauthorizedAccessException($"{path} belongs to the user {status.Owner}. Choose a folder of your own.");
        bool othersAdd = !isLast && status.Mode.HasFlag(UnixFileMode.StickyBit);
        if (!status.IsLink && !othersAdd && (status.Mode & OthersWrite) != UnixFileMode.None)
        {
            throw new UnauthorizedAccessException(
                $"Others can write to {path}. Choose a folder of your own, or take that right away (chmod go-w {path}).");
        }

        return status;
    }
}
