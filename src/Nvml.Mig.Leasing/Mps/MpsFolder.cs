using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Nvml.Mig.Host;

namespace Nvml.Mig.Leasing.Mps;

/// <summary>What is known of a daemon, so that it is found again after our restart.</summary>
/// <param name="Device">The UUID of its device.</param>
/// <param name="User">The user whose programs may use it.</param>
/// <param name="BootId">The boot that the process is of.</param>
/// <param name="Process">The daemon; null while it is started.</param>
/// <param name="Caps">The caps that were read back; null until then.</param>
internal sealed record MpsRecord(string Device, uint User, string BootId, HostProcess? Process, MpsCaps? Caps)
{
    /// <summary>Whether our daemon runs.</summary>
    [JsonIgnore]
    public bool Runs => BootId == HostProcess.BootId && Process is { IsRunning: true };
}

/// <summary>
/// The folder of a device's daemon: <c>pipe</c>, the user's; <c>log</c>, root's, since the daemon writes there as root; and what is known
/// of the daemon. The pipe is given to the user last, when the limits are set: until then nobody can have put anything there.
/// </summary>
internal sealed partial class MpsFolder
{
    private const UnixFileMode Mine = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>What fits into an address of a socket, less the longest name in the pipe directory.</summary>
    private const int LongestPipe = 107 - 19;

    /// <summary>More than any process id has.</summary>
    private const int LongestNumber = 20;

    private readonly string _root;

    public MpsFolder(string root, string device)
    {
        if (!Uuid().IsMatch(device))
            throw new MpsException(MpsProblem.Invalid, $"'{device}' is no UUID of a GPU or of a MIG device.");
        _root = root;
        Device = device;
        Path = System.IO.Path.Combine(root, device);
        if (Pipe.Length > LongestPipe)
            throw new MpsException(MpsProblem.Invalid, $"{Pipe} is too long for sockets in it. Choose a shorter folder.");
    }

    public string Device { get; }

    public string Path { get; }

    public string Pipe => System.IO.Path.Combine(Path, "pipe");

    public string Log => System.IO.Path.Combine(Path, "log");

    private string RecordPath => System.IO.Path.Combine(Path, "daemon.json");

    /// <summary>The devices that have a folder.</summary>
    public static IReadOnlyList<string> DevicesOf(string root) =>
        Directory.Exists(root)
            ? [.. Directory.GetDirectories(root).Select(folder => System.IO.Path.GetFileName(folder)).Where(name => Uuid().IsMatch(name))]
            : [];

    /// <summary>Creates the folder anew. Whatever was in it is of no daemon that runs.</summary>
    public void Create()
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MPS exists on Linux only.");
        try
        {
            Delete();
            PassableFolder.Create(Path);
            Directory.CreateDirectory(Pipe, Mine);
            Directory.CreateDirectory(Log, Mine);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MpsException(
                MpsProblem.NotStarted, $"Cannot create {Path} for the MPS daemon of {Device}: {e.Message} This needs root.", e);
        }
    }

    /// <summary>Lets the user in, who must be able to come as far as here: whoever cannot enter runs without MPS.</summary>
    public void OpenFor(uint user)
    {
        if (user == MpsHost.User)
            return;
        try
        {
            MpsHost.Give(Pipe, user);
        }
        catch (IOException e)
        {
            throw new MpsException(MpsProblem.NotStarted, e.Message, e);
        }

        CheckWayOf(user);
    }

    /// <summary>Checks that the user can come to the pipe directory.</summary>
    public void CheckWayOf(uint user)
    {
        if (user == MpsHost.User || user == 0 || OperatingSystem.IsWindows())
            return;
        for (DirectoryInfo? folder = new(Path); folder is not null; folder = folder.Parent)
        {
            if ((folder.UnixFileMode & UnixFileMode.OtherExecute) == UnixFileMode.None)
            {
                throw new MpsException(MpsProblem.NotStarted, string.Create(
                    CultureInfo.InvariantCulture,
                    $"User {user} may not pass {folder.FullName}, so that programs would run without MPS. Allow it: "
                        + $"chmod o+x {folder.FullName}"));
            }
        }
    }

    /// <summary>Null where there is none.</summary>
    public MpsRecord? Read()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(RecordPath), MpsJson.Default.MpsRecord);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException e)
        {
            throw new MpsException(MpsProblem.Invalid, $"{RecordPath} is not what was written: {e.Message}", e);
        }
    }

    /// <summary>Replaces the file at once: a reader sees the old one or the new one.</summary>
    public void Write(MpsRecord record)
    {
        string next = RecordPath + ".new";
        File.WriteAllBytes(next, JsonSerializer.SerializeToUtf8Bytes(record, MpsJson.Default.MpsRecord));
        File.Move(next, RecordPath, overwrite: true);
    }

    /// <summary>
    /// The process that the daemon's own file names, if it is one; null: none. To be believed only before the user is let in.
    /// </summary>
    public HostProcess? ReadPidFile()
    {
        string text;
        try
        {
            // Not blocked by a FIFO in its place.
            text = Encoding.ASCII.GetString(
                RegularFile.ReadAllBytes(System.IO.Path.Combine(Pipe, "nvidia-cuda-mps-control.pid"), LongestNumber));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        return int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            && HostProcess.Find(id) is { } process && MpsHost.ProgramOf(id) == MpsControl.ProgramName
            ? process
            : null;
    }

    /// <summary>Deletes everything, what is known of the daemon last.</summary>
    public void Delete()
    {
        if (!Directory.Exists(Path))
            return;
        if (Directory.Exists(Pipe))
            DeletePipe();
        if (Directory.Exists(Log))
            Directory.Delete(Log, recursive: true);
        Directory.Delete(Path, recursive: true);
    }

    /// <summary>
    /// The user can have put anything there, and exchange a folder for a link while it is deleted. Directory.Delete would follow it, as
    /// root; rm does not.
    /// </summary>
    private void DeletePipe()
    {
        MpsHost.Give(Pipe, MpsHost.User);
        foreach (FileSystemInfo entry in new DirectoryInfo(Pipe).EnumerateFileSystemInfos())
        {
            if (entry is DirectoryInfo { LinkTarget: null })
            {
                using System.Diagnostics.Process remove = System.Diagnostics.Process.Start("rm", ["-rf", "--", entry.FullName]);
                remove.WaitForExit();
            }
            else
            {
                File.Delete(entry.FullName);
            }
        }

        Directory.Delete(Pipe);
    }

    [GeneratedRegex("^(GPU|MIG)-[0-9A-Za-z-]{1,60}$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Uuid();
}

[JsonSerializable(typeof(MpsRecord))]
internal sealed partial class MpsJson : JsonSerializerContext;
