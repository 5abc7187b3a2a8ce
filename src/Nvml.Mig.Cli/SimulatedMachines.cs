using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli;

/// <summary>Where simulated machines live between commands.</summary>
internal static class SimulatedMachines
{
    private const string Suffix = ".state";

    /// <summary>Beside the machine's file: the record of layouts of a machine that is gone with that.</summary>
    private const string RecordSuffix = ".apply";

    /// <summary>The file that the environment names, if it does.</summary>
    public static string? FileFromEnvironment =>
        Environment.GetEnvironmentVariable(NvmlSimulator.StateVariable) is { Length: > 0 } file ? Path.GetFullPath(file) : null;

    /// <summary>The file of a machine: each specification has its own, so that several can be tried side by side.</summary>
    public static string FileFor(string spec)
    {
        if (FileFromEnvironment is { } file)
            return file;
        string name = string.Concat(spec.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' ? c : '_'));
        return Path.Combine(Folder(), name + Suffix);
    }

    /// <summary>Where layouts of a simulated machine are recorded; null if it is a real one.</summary>
    public static string? JournalFolderFor(string? spec) =>
        spec is not null ? FileFor(spec) + RecordSuffix : FileFromEnvironment is { } file ? file + RecordSuffix : null;

    /// <summary>Makes a machine new, and forgets what was recorded of it.</summary>
    public static void Reset(string file, string? spec)
    {
        NvmlSimulator.Reset(file, spec);
        if (Directory.Exists(file + RecordSuffix))
            Directory.Delete(file + RecordSuffix, recursive: true);
    }

    /// <summary>Every machine that this user has.</summary>
    public static string[] AllFiles() => Directory.GetFiles(Folder(), "*" + Suffix);

    private static string Folder()
    {
        string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
        if (string.IsNullOrEmpty(state))
        {
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            if (home.Length == 0)
                throw new UsageException($"There is no home folder to keep a simulated machine in: name a file in {NvmlSimulator.StateVariable}.");
            state = Path.Combine(home, ".local", "state");
        }

        string folder = Path.Combine(state, "nvmig", "simulated");
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NvmlException(
                NvmlReturnCode.OperatingSystem,
                "nvmlStubConfigure",
                $"Cannot create the folder {folder} for simulated machines: {e.Message} Name a file in {NvmlSimulator.StateVariable} instead.",
                e);
        }

        return folder;
    }
}
