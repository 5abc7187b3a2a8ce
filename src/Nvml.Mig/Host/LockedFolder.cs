using Nvml.Mig.Native;

namespace Nvml.Mig.Host;

/// <summary>A <see cref="PrivateFolder"/> that one process works in at a time.</summary>
internal static class LockedFolder
{
    private const string LockName = "lock";

    /// <summary>Held by all who wait for the folder.</summary>
    private const string WantedName = "wanted";

    /// <summary>
    /// Takes the folder, and creates it if it is not there. Disposing of the result releases it. Null if another process has it.
    /// </summary>
    /// <inheritdoc cref="PrivateFolder.Check"/>
    public static IDisposable? TryTake(string folder)
    {
        PrivateFolder.Create(folder);
        return TryTake(folder, LockName, isShared: false);
    }

    /// <summary>
    /// Says that this process waits for the folder, until the result is disposed. Null if that cannot be said just now, since another
    /// process looks.
    /// </summary>
    public static IDisposable? TryWant(string folder) => TryTake(folder, WantedName, isShared: true);

    /// <summary>Whether a process waits for the folder.</summary>
    public static bool IsWanted(string folder)
    {
        PrivateFolder.Create(folder);
        using IDisposable? nobody = TryTake(folder, WantedName, isShared: false);
        return nobody is null;
    }

    private static FileLock? TryTake(string folder, string name, bool isShared)
    {
        string file = Path.Combine(folder, name);
        return new FileInfo(file).LinkTarget is { } target
            ? throw new UnauthorizedAccessException($"{name} in it is a link to {target}.")
            : FileLock.TryTake(file, isShared);
    }
}
