using Nvml.Mig.Native;

namespace Nvml.Mig.Host;

/// <summary>A <see cref="PrivateFolder"/> that one process works in at a time.</summary>
internal static class LockedFolder
{
    private const string LockName = "lock";

    /// <summary>
    /// Takes the folder, and creates it if it is not there. Disposing of the result releases it. Null if another process has it.
    /// </summary>
    /// <inheritdoc cref="PrivateFolder.Check"/>
    public static IDisposable? TryTake(string folder)
    {
        PrivateFolder.Create(folder);
        string file = Path.Combine(folder, LockName);
        return new FileInfo(file).LinkTarget is { } target
            ? throw new UnauthorizedAccessException($"{LockName} in it is a link to {target}.")
            : FileLock.TryTake(file);
    }
}
