using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>Reads what Linux says of the driver, beside NVML. What cannot be read is a problem to report, not the end.</summary>
internal static class HostExamination
{
    private static readonly string[] Nodes = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia-caps/nvidia-cap2"];

    public static HostReport Examine(HostRoot root)
    {
        List<string> problems = [];
        return new HostReport(
            root.Folder,
            Lines("/proc/driver/nvidia/version")?.FirstOrDefault()?.Replace("NVRM version: ", "", StringComparison.Ordinal),
            Lines("/proc/modules")?.Any(line => line.StartsWith("nvidia_drm ", StringComparison.Ordinal)),
            [.. Nodes.Select(node => new NodeReport(node, File.Exists(root.Locate(node))))],
            Try(() => ReadPrivileges(root)),
            Try(() => ReadHolders(root)),
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

        // Without these files there is no such driver, or no module: no problem.
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

    private static HoldersReport ReadHolders(HostRoot root)
    {
        GpuClients holders = GpuClients.Find(root);
        MigMinors minors = File.Exists(root.Locate(MigMinors.FilePath)) ? MigMinors.Read(root) : MigMinors.Known;
        return new HoldersReport(
            holders.SeesWholeHost,
            holders.UnreadableProcesses,
            [.. holders.Clients.Where(h => !h.IsSelf).Select(h => new HolderReport(
                h.ProcessId, h.Name, h.Command, h.Service, h.SystemdUnit, h.Files, [.. h.CapabilityNumbers.Select(minors.GetName).OfType<string>()]))]);
    }
}
