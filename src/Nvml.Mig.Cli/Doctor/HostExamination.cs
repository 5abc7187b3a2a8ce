using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>Reads what Linux reports about the driver beside NVML. A reading that fails is a problem to report, not the end.</summary>
internal static class HostExamination
{
    private static readonly string[] Nodes =
        ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia-caps/nvidia-cap2"];

    public static HostReport Examine(HostRoot root)
    {
        List<string> problems = [];
        return new HostReport(
            root.Folder,
            Lines("/proc/driver/nvidia/version")?.FirstOrDefault()?.Replace("NVRM version: ", "", StringComparison.Ordinal),
            Lines("/proc/modules")?.Any(line => line.StartsWith("nvidia_drm ", StringComparison.Ordinal)),
            [.. Nodes.Select(node => new NodeReport(node, File.Exists(root.Locate(node))))],
            Try(() => ReadPrivileges(root)),
            Try(() => ReadClients(root)),
            [.. problems.Distinct(StringComparer.Ordinal)]);

        T? Try<T>(Func<T> read)
            where T : class
        {
            try
            {
                return read();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or MigMinorsFormatException)
            {
                problems.Add(e.Message);
                return null;
            }
        }

        // Without these files there is no such driver or module, which is no problem.
        string[]? Lines(string path) => File.Exists(root.Locate(path)) ? Try(() => File.ReadAllLines(root.Locate(path))) : null;
    }

    private static PrivilegesReport ReadPrivileges(HostRoot root)
    {
        MigPrivileges privileges = MigPrivileges.Read(root);
        return new PrivilegesReport(
            privileges.EffectiveUserId,
            privileges.HasSysAdmin,
            privileges.IsInHostUserNamespace,
            privileges.Config.ToString(),
            privileges.Monitor.ToString(),
            privileges.CanChange,
            privileges.CanList,
            $"{privileges.ChangeExplanation} {privileges.ListExplanation}");
    }

    private static HoldersReport ReadClients(HostRoot root)
    {
        GpuClients clients = GpuClients.Find(root);
        MigMinors minors = File.Exists(root.Locate(MigMinors.FilePath)) ? MigMinors.Read(root) : MigMinors.Known;
        return new HoldersReport(
            clients.SeesWholeHost,
            clients.UnreadableProcesses,
            [.. clients.Clients.Where(client => !client.IsSelf).Select(client => new HolderReport(
                client.ProcessId,
                client.Name,
                client.Command,
                client.Service,
                client.SystemdUnit,
                client.Files,
                [.. client.CapabilityNumbers.Select(minors.GetName).OfType<string>()]))]);
    }
}
