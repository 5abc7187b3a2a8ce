using System.Collections;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Nvml.Mig.Interop.LibC;

namespace Nvml.Mig.Native;

/// <summary>The end of a process: by itself with an exit code, or by a signal. Neither if it was reaped elsewhere.</summary>
internal readonly record struct ChildEnd(int? ExitCode, int? Signal);

/// <summary>
/// A program in a process group of its own: a Ctrl-C at the terminal reaches this process and not the program, which must not be ended
/// half-way, as a GPU reset must not. .NET's Process has no such option on Linux, and afterwards is too late: setpgid fails on a process
/// that has called exec.
/// </summary>
internal sealed unsafe class ChildProcess : IDisposable
{
    private readonly int _id;
    private readonly Lock _reaping = new();
    private bool _isReaped;

    private ChildProcess(int id, SafeFileHandle output, SafeFileHandle error)
    {
        _id = id;
        Output = new FileStream(output, FileAccess.Read, bufferSize: 0);
        Error = new FileStream(error, FileAccess.Read, bufferSize: 0);
        Ended = Task.Factory.StartNew(Wait, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public Stream Output { get; }

    public Stream Error { get; }

    public Task<ChildEnd> Ended { get; }

    /// <summary>Starts a program with this process's environment, and nothing to read.</summary>
    /// <exception cref="IOException">It cannot be started.</exception>
    public static ChildProcess Start(string file, IReadOnlyList<string> arguments)
    {
        List<string> environment = [];
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
            environment.Add($"{variable.Key}={variable.Value}");
        SafeFileHandle output = Pipe(out SafeFileHandle outputEnd);
        using SafeFileHandle outputCloser = outputEnd;
        SafeFileHandle error = Pipe(out SafeFileHandle errorEnd);
        using SafeFileHandle errorCloser = errorEnd;
        int id;
        int failure = Spawn(file, [file, .. arguments], environment, outputEnd, errorEnd, &id);
        if (failure == 0)
            return new ChildProcess(id, output, error);
        output.Dispose();
        error.Dispose();
        throw new IOException(Marshal.GetPInvokeErrorMessage(failure));
    }

    /// <summary>Kills the program and the processes of its group.</summary>
    public void Kill()
    {
        // Not once it is reaped: its number could be another's by then.
        lock (_reaping)
        {
            if (!_isReaped)
                _ = kill(-_id, SIGKILL);
        }
    }

    public void Dispose()
    {
        Output.Dispose();
        Error.Dispose();
    }

    private static SafeFileHandle Pipe(out SafeFileHandle write)
    {
        int* ends = stackalloc int[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            throw new IOException($"pipe: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        write = new SafeFileHandle(ends[1], ownsHandle: true);
        return new SafeFileHandle(ends[0], ownsHandle: true);
    }

    /// <summary>0, or the error number.</summary>
    private static int Spawn(
        string file, string[] arguments, List<string> environment, SafeFileHandle output, SafeFileHandle error, int* id)
    {
        byte* attributes = stackalloc byte[OpaqueSize];
        byte* actions = stackalloc byte[OpaqueSize];
        byte* signals = stackalloc byte[OpaqueSize];
        byte** argv = ToNative(arguments);
        byte** envp = ToNative(environment);
        _ = posix_spawnattr_init(attributes);
        _ = posix_spawn_file_actions_init(actions);
        try
        {
            // .NET ignores SIGPIPE, which a program would inherit.
            _ = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
            _ = posix_spawnattr_setpgroup(attributes, 0);
            _ = sigfillset(signals);
            _ = posix_spawnattr_setsigdefault(attributes, signals);
            _ = sigemptyset(signals);
            _ = posix_spawnattr_setsigmask(attributes, signals);
            _ = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
            _ = posix_spawn_file_actions_adddup2(actions, (int)output.DangerousGetHandle(), 1);
            _ = posix_spawn_file_actions_adddup2(actions, (int)error.DangerousGetHandle(), 2);
            fixed (byte* path = NativeText.Write(file))
                return posix_spawn(id, path, actions, attributes, argv, envp);
        }
        finally
        {
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
            Free(argv);
            Free(envp);
        }
    }

    /// <summary>A list of strings that ends with a null, as execve takes it.</summary>
    public static byte** ToNative(IReadOnlyList<string> texts)
    {
        byte** list = (byte**)NativeMemory.Alloc((nuint)(texts.Count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < texts.Count; i++)
            list[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        list[texts.Count] = null;
        return list;
    }

    public static void Free(byte** list)
    {
        for (byte** text = list; *text is not null; text++)
            Marshal.FreeCoTaskMem((nint)(*text));
        NativeMemory.Free(list);
    }

    private ChildEnd Wait()
    {
        byte* info = stackalloc byte[OpaqueSize];
        while (waitid(P_PID, _id, info, WEXITED | WNOWAIT) != 0 && Marshal.GetLastPInvokeError() == EINTR)
        {
            // A signal interrupted the wait.
        }

        lock (_reaping)
        {
            _isReaped = true;
            int status;
            if (waitpid(_id, &status, 0) != _id)
                return default;
            int signal = status & 0x7F; // WTERMSIG
            return signal == 0 ? new ChildEnd((status >> 8) & 0xFF, null) : new ChildEnd(null, signal);
        }
    }
}
