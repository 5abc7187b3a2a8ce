using System.Globalization;
using System.Runtime.InteropServices;
using Nvml.Mig.Host;

namespace Nvml.Mig.Leasing.Mps;

/// <summary>Questions to Linux that .NET has no member for.</summary>
internal static partial class MpsHost
{
    private const string ServerName = "nvidia-cuda-mps-server";

    private const int GetDescriptorFlags = 1;
    private const int SetDescriptorFlags = 2;
    private const int CloseOnExec = 1;

    /// <summary>The user of this process.</summary>
    public static uint User => geteuid();

    /// <summary>Gives a file or folder to a user.</summary>
    /// <exception cref="IOException">It cannot be given: only root can.</exception>
    public static void Give(string path, uint user)
    {
        if (chown(path, user, uint.MaxValue) != 0)
            throw new IOException($"Cannot give {path} to user {user}: {Marshal.GetLastPInvokeErrorMessage()}.");
    }

    /// <summary>
    /// While it is held, programs that are started inherit no files but the first three. .NET opens none that are inherited, but this
    /// process can have been started with some, such as the lock of a script, and the daemon keeps what it inherits: measured.
    /// </summary>
    public static IDisposable KeepFiles()
    {
        List<int> kept = [];
        foreach (string path in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            int descriptor = int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture);
            int flags = descriptor < 3 ? -1 : fcntl(descriptor, GetDescriptorFlags, 0);
            if (flags >= 0 && (flags & CloseOnExec) == 0 && fcntl(descriptor, SetDescriptorFlags, flags | CloseOnExec) == 0)
                kept.Add(descriptor);
        }

        return new KeptFiles(kept);
    }

    /// <summary>The parent of a process; null if it does not run.</summary>
    public static int? ParentOf(int process) =>
        StatOf(process) is { Length: > 1 } stat ? int.Parse(stat[1], CultureInfo.InvariantCulture) : null;

    /// <summary>The name of a process's program, by its command line; empty if it does not run.</summary>
    public static string ProgramOf(int process) => Path.GetFileName(WordsOf(process).FirstOrDefault() ?? "");

    /// <summary>All control daemons of this machine, ours and others'. A program that only passes on commands is none.</summary>
    public static IReadOnlyList<HostProcess> FindDaemons() => Find(
        id => ProgramOf(id) == MpsControl.ProgramName && WordsOf(id).Skip(1).Any(word => word is "-d" or "-f"));

    /// <summary>Those with a pipe directory in a folder, or that is it; those that are just starting included.</summary>
    public static IReadOnlyList<HostProcess> FindDaemonsIn(string folder)
    {
        string variable = $"CUDA_MPS_PIPE_DIRECTORY={folder}";
        return
        [
            .. FindDaemons().Where(daemon => ReadOf(daemon.Id, "environ").Split('\0').Any(
                text => text == variable || text.StartsWith(variable + "/", StringComparison.Ordinal))),
        ];
    }

    /// <summary>The servers of a daemon, also when it has died: they are in its session, measured.</summary>
    public static IReadOnlyList<HostProcess> FindServersOf(int daemon) =>
        Find(id => ProgramOf(id) == ServerName && StatOf(id) is { Length: > 3 } stat && stat[3] == Number(daemon));

    private static List<HostProcess> Find(Func<int, bool> isWanted)
    {
        List<HostProcess> found = [];
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                && isWanted(id) && HostProcess.Find(id) is { } process)
            {
                found.Add(process);
            }
        }

        return found;
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>State, parent, group, session: the fields after the name, which can have blanks in it. Empty if it does not run.</summary>
    private static string[] StatOf(int process)
    {
        string stat = ReadOf(process, "stat");
        return stat.Length == 0 ? [] : stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
    }

    private static string[] WordsOf(int process) => ReadOf(process, "cmdline").Split('\0', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Empty if it does not run, or may not be read.</summary>
    private static string ReadOf(int process, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{Number(process)}/{file}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private sealed class KeptFiles(List<int> descriptors) : IDisposable
    {
        public void Dispose()
        {
            foreach (int descriptor in descriptors)
                _ = fcntl(descriptor, SetDescriptorFlags, fcntl(descriptor, GetDescriptorFlags, 0) & ~CloseOnExec);
        }
    }

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, uint user, uint group);

    // Of a variable number of arguments in C; on Linux's ABIs for x86-64 and arm64 that is the same.
    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command, int argument);
}
