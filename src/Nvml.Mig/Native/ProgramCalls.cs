using System.Collections;
using System.Runtime.InteropServices;
using static Nvml.Mig.Interop.LibC;

namespace Nvml.Mig.Native;

/// <summary>Starts and ends programs as .NET's Process cannot.</summary>
internal static unsafe class ProgramCalls
{
    /// <summary>
    /// Sends a signal through a pidfd: between the look at the process and the signal its number cannot become another's.
    /// </summary>
    public static bool Signal(int id, long startTime, bool force, Func<int, long, bool> isSame)
    {
        int descriptor = (int)syscall(SYS_pidfd_open, id, 0, 0, 0);
        if (descriptor < 0)
            return Marshal.GetLastPInvokeError() == ESRCH ? false : throw Error($"Process {id} cannot be reached");
        try
        {
            if (!isSame(id, startTime))
                return false;
            if (syscall(SYS_pidfd_send_signal, descriptor, force ? SIGKILL : SIGTERM, 0, 0) == 0)
                return true;
            return Marshal.GetLastPInvokeError() == ESRCH ? false : throw Error($"Process {id} cannot be ended");
        }
        finally
        {
            _ = close(descriptor);
        }
    }

    public static bool IsExecutable(string path) => access(path, X_OK) == 0 && !Directory.Exists(path);

    public static void Replace(
        string path,
        string name,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> more,
        (uint User, uint Group, string Name)? user)
    {
        Dictionary<string, string> environment = new(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
            environment[(string)variable.Key] = (string?)variable.Value ?? "";
        foreach ((string key, string value) in more)
            environment[key] = value;

        if (user is { } other)
        {
            // The groups first: afterwards there is no right to.
            if (initgroups(other.Name, other.Group) != 0 || setgid(other.Group) != 0 || setuid(other.User) != 0)
                throw Error($"Cannot become the user {other.Name}");
        }

        // .NET has handlers for some signals, and ignores SIGPIPE, which a program would inherit.
        byte* none = stackalloc byte[OpaqueSize];
        _ = sigemptyset(none);
        _ = pthread_sigmask(SIG_SETMASK, none, null);
        _ = signal(SIGPIPE, SIG_DFL);

        byte** argv = ChildProcess.ToNative([name, .. arguments]);
        byte** envp = ChildProcess.ToNative([.. environment.Select(v => $"{v.Key}={v.Value}")]);
        _ = execve(path, argv, envp);
        IOException error = Error($"{name} cannot be started");
        ChildProcess.Free(argv);
        ChildProcess.Free(envp);
        throw error;
    }

    private static IOException Error(string message)
    {
        int error = Marshal.GetLastPInvokeError();
        return new IOException($"{message}: {Marshal.GetPInvokeErrorMessage(error)}.", error);
    }
}
