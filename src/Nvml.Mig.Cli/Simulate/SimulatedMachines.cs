using System.Runtime.InteropServices;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Simulate;

/// <summary>The files of simulated machines, which keep their state between commands.</summary>
internal static class SimulatedMachines
{
    private const string Suffix = ".state";

    /// <summary>The journal is beside the machine's file, and is deleted with it.</summary>
    private const string JournalSuffix = ".apply";

    /// <summary>The file that the environment names, if any.</summary>
    public static string? FileFromEnvironment =>
        Environment.GetEnvironmentVariable(NvmlSimulator.StateVariable) is { Length: > 0 } file ? Path.GetFullPath(file) : null;

    /// <summary>The file of a machine: each specification has its own, so that several machines can be used side by side.</summary>
    public static string FileFor(string spec)
    {
        if (FileFromEnvironment is { } file)
            return file;
        string name = string.Concat(spec.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' ? c : '_'));
        return Path.Combine(Folder(), name + Suffix);
    }

    /// <summary>The journal of a simulated machine; null if the machine is real, whatever file the environment names.</summary>
    public static string? JournalFolderFor(string? spec, string? file, string libraryPath) =>
        spec is not null ? FileFor(spec) + JournalSuffix : file is not null && IsSimulated(libraryPath) ? file + JournalSuffix : null;

    /// <summary>Whether a library that is loaded is the simulated driver, which has functions that no other has.</summary>
    private static bool IsSimulated(string libraryPath)
    {
        if (!NativeLibrary.TryLoad(libraryPath, out IntPtr library))
            return false;
        bool isSimulated = NativeLibrary.TryGetExport(library, "nvmlStubConfigure", out _);
        NativeLibrary.Free(library);
        return isSimulated;
    }

    /// <summary>Resets a machine, and deletes its journal.</summary>
    public static void Reset(string file, string? spec)
    {
        NvmlSimulator.Reset(file, spec);
        if (Directory.Exists(file + JournalSuffix))
            Directory.Delete(file + JournalSuffix, recursive: true);
    }

    /// <summary>Every machine of this user.</summary>
    public static string[] AllFiles() => Directory.GetFiles(Folder(), "*" + Suffix);

    private static string Folder()
    {
        string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
        if (string.IsNullOrEmpty(state))
        {
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            if (home.Length == 0)
                throw new UsageException($"There is no home folder for a simulated machine: name a file in {NvmlSimulator.StateVariable}.");
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
                $"Cannot create the folder {folder} for simulated machines: {e.Message} Name a file in {NvmlSimulator.StateVariable} "
                    + "instead.",
                e);
        }

        return folder;
    }
}
