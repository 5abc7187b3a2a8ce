using System.Globalization;
using System.Runtime.Versioning;
using System.Text.Json.Serialization;
using Nvml.Mig.Native;

namespace Nvml.Mig.Host;

/// <summary>
/// A process of this machine, by its number and the time at which it started: the number alone comes again, both together do not within one
/// boot.
/// </summary>
/// <param name="Id">The process id.</param>
/// <param name="StartTime">When it started, in the kernel's ticks since boot: field 22 of <c>/proc/PID/stat</c>.</param>
public readonly record struct HostProcess(int Id, long StartTime)
{
    private static readonly Lazy<string> Boot = new(() => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim());

    /// <summary>The id of this boot of the kernel: what did not survive a reboot is told by it.</summary>
    public static string BootId => Boot.Value;

    /// <summary>This process.</summary>
    public static HostProcess Current { get; } = Find(Environment.ProcessId)!.Value;

    /// <summary>
    /// Whether the process runs. One that has ended and waits for its parent (a zombie) does not: it has no GPU memory any more.
    /// </summary>
    [JsonIgnore]
    public bool IsRunning => Find(Id) is { } found && found.StartTime == StartTime;

    /// <summary>Finds the process that runs with a number; null if there is none.</summary>
    /// <param name="id">The process id, as this process's namespace has it.</param>
    public static HostProcess? Find(int id)
    {
        string stat;
        try
        {
            stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/stat"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // ESRCH while it ends is an IOException too.
        }

        // The name, in parentheses, can have spaces and parentheses in it.
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields[0] is "Z" or "X" ? null : new HostProcess(id, long.Parse(fields[19], CultureInfo.InvariantCulture));
    }

    /// <summary>Asks the process to end (SIGTERM). False if it does not run any more.</summary>
    /// <exception cref="IOException">It cannot be reached: it is another user's, for instance.</exception>
    public bool Terminate() => ProgramCalls.Signal(Id, StartTime, force: false, IsSame);

    /// <summary>Ends the process (SIGKILL). False if it does not run any more.</summary>
    /// <inheritdoc cref="Terminate"/>
    public bool Kill() => ProgramCalls.Signal(Id, StartTime, force: true, IsSame);

    /// <summary>
    /// Replaces the program of this process by another: the process id and the open terminal stay, so that signals and the exit code need
    /// nobody between. Signal handlers and masks are the default ones. Returns only by an exception.
    /// </summary>
    /// <param name="program">A path, or a name that is looked for in PATH.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Variables beside those of this process.</param>
    /// <param name="user">The user and the group to become, with the groups that the user is in; null: as this process.</param>
    /// <exception cref="FileNotFoundException">There is no such program.</exception>
    /// <exception cref="IOException">It cannot be started.</exception>
    [SupportedOSPlatform("linux")]
    public static void ReplaceProgram(
        string program,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        (uint User, uint Group, string Name)? user = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(program);
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(environment);
        ProgramCalls.Replace(FindProgram(program), program, arguments, environment, user);
    }

    /// <summary><c>process 4711</c></summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"process {Id}");

    /// <summary>As a shell does.</summary>
    private static string FindProgram(string program)
    {
        string folders = Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin";
        string[] candidates = program.Contains('/', StringComparison.Ordinal)
            ? [program]
            : [.. folders.Split(':').Select(folder => Path.Combine(folder, program))];
        return Array.Find(candidates, ProgramCalls.IsExecutable)
            ?? throw new FileNotFoundException($"There is no program '{program}', or it may not be executed.", program);
    }

    private static bool IsSame(int id, long startTime) => Find(id) is { } found && found.StartTime == startTime;
}
