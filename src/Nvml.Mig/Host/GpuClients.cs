using System.Globalization;

namespace Nvml.Mig.Host;

/// <summary>
/// The processes that have device files of the NVIDIA driver open. On Ampere one of them is enough to keep MIG mode from being changed,
/// and NVML does not show monitoring services and others that have no CUDA context.
/// </summary>
public sealed record GpuClients
{
    internal const string DevicePrefix = "/dev/nvidia";

    /// <summary>The longest name in /proc/PID/comm (TASK_COMM_LEN).</summary>
    private const int LongestName = 15;

    private const string Deleted = " (deleted)";

    private static readonly (string Program, string Service)[] Services =
    [
        ("nv-hostengine", "dcgm"),
        ("dcgm-exporter", "dcgm-exporter"),
        ("nvsm_core", "nvsm"),
        ("nvsm-core", "nvsm"),
        ("nvsm_api_gateway", "nvsm"),
        ("nvidia-persistenced", "nvidia-persistenced"),
        ("nv-fabricmanager", "nvidia-fabricmanager"),
        ("nvidia-device-plugin", "nvidia-device-plugin"),
        ("gpu-feature-discovery", "gpu-feature-discovery"),
        ("nvidia-smi", "nvidia-smi"),
        ("nvidia-cuda-mps-server", "cuda-mps"),
        ("nvidia-cuda-mps-control", "cuda-mps"),
        ("Xorg", "xorg"),
        ("Xwayland", "xwayland"),
        ("gnome-shell", "gnome-shell"),
    ];

    /// <summary>The processes, by id; this one too, if it has a device file open.</summary>
    public required IReadOnlyList<GpuClient> Clients { get; init; }

    /// <summary>
    /// The processes, by id, that could not be looked into for lack of permission: any of them may be a client too. Looking into those of
    /// others takes root, and even that is not enough for a process that has capabilities which the caller lacks.
    /// </summary>
    public required IReadOnlyList<int> UnreadableProcesses { get; init; }

    /// <summary>
    /// Whether the processes of the whole host are to be seen. False in a container without the host's PID namespace, and where /proc
    /// hides the processes of others (hidepid): there can be clients that are not even counted.
    /// </summary>
    public required bool SeesWholeHost { get; init; }

    /// <summary>Whether every process of the host was looked into.</summary>
    public bool IsComplete => SeesWholeHost && UnreadableProcesses.Count == 0;

    /// <summary>Looks into every process: its open files and what it has mapped. About 10 ms for a hundred processes.</summary>
    /// <param name="root">Where the host's file system is.</param>
    /// <exception cref="DirectoryNotFoundException">There is no /proc under the root.</exception>
    public static GpuClients Find(HostRoot root = default)
    {
        string proc = root.Locate("/proc");
        // Not Environment.ProcessId: the host's /proc has another number for a process in a container.
        string? self = new FileInfo(Path.Combine(proc, "self")).LinkTarget;
        List<GpuClient> clients = [];
        List<int> unreadable = [];
        foreach (string folder in Directory.EnumerateDirectories(proc))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int processId))
                continue;
            try
            {
                SortedSet<string> files = FindDeviceFiles(folder);
                if (files.Count > 0)
                    clients.Add(Describe(folder, processId, files, isSelf: Path.GetFileName(folder) == self));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A process that ended meanwhile has nothing open any more.
                if (Directory.Exists(folder))
                    unreadable.Add(processId);
            }
        }

        return new GpuClients
        {
            Clients = [.. clients.OrderBy(client => client.ProcessId)],
            UnreadableProcesses = [.. unreadable.Order()],
            SeesWholeHost = ReadFirstLine(Path.Combine(proc, "2", "comm")) == "kthreadd",
        };
    }

    private static SortedSet<string> FindDeviceFiles(string process)
    {
        SortedSet<string> files = new(StringComparer.Ordinal);
        // A mapped file stays open when its descriptor is closed.
        bool hasMemory = false;
        foreach (string line in File.ReadLines(Path.Combine(process, "maps")))
        {
            hasMemory = true;
            int path = line.IndexOf('/', StringComparison.Ordinal);
            if (path >= 0)
                AddDeviceFile(files, line[path..]);
        }

        // A kernel thread, or one that has ended and waits for its parent.
        if (!hasMemory)
            return files;

        // The names in fdinfo are those in fd. To list fd itself would make .NET follow each link, also into a file server that is down.
        foreach (string descriptor in Directory.EnumerateFiles(Path.Combine(process, "fdinfo")))
        {
            if (new FileInfo(Path.Combine(process, "fd", Path.GetFileName(descriptor))).LinkTarget is { } target)
                AddDeviceFile(files, target);
        }

        return files;
    }

    private static void AddDeviceFile(SortedSet<string> files, string path)
    {
        if (path.StartsWith(DevicePrefix, StringComparison.Ordinal))
            files.Add(path.EndsWith(Deleted, StringComparison.Ordinal) ? path[..^Deleted.Length] : path);
    }

    private static GpuClient Describe(string folder, int processId, SortedSet<string> files, bool isSelf)
    {
        string name = ReadFirstLine(Path.Combine(folder, "comm")) ?? "?";
        string command = File.ReadAllText(Path.Combine(folder, "cmdline")).Split('\0')[0];
        string program = Path.GetFileName(command);
        return new GpuClient
        {
            ProcessId = processId,
            Name = name,
            Command = command.Length == 0 ? null : command,
            Files = [.. files],
            Service = Services.FirstOrDefault(s => s.Program == program || Shorten(s.Program) == name).Service,
            SystemdUnit = FindUnit(File.ReadLines(Path.Combine(folder, "cgroup"))),
            IsSelf = isSelf,
        };
    }

    private static string Shorten(string program) => program[..Math.Min(program.Length, LongestName)];

    /// <summary>The innermost unit in a line such as <c>0::/system.slice/nvidia-dcgm.service</c>.</summary>
    private static string? FindUnit(IEnumerable<string> cgroups) =>
        cgroups
            .SelectMany(line => line.Split('/').Reverse())
            .FirstOrDefault(part =>
                part.EndsWith(".service", StringComparison.Ordinal) || part.EndsWith(".scope", StringComparison.Ordinal));

    private static string? ReadFirstLine(string file)
    {
        try
        {
            return File.ReadLines(file).FirstOrDefault();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
