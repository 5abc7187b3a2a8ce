using System.Globalization;

namespace Nvml.Mig.Host;

/// <summary>The rights of this process on MIG, and their causes. Reading them changes nothing.</summary>
/// <remarks>
/// The driver lets those change MIG that have CAP_SYS_ADMIN on the host (which is what being root comes to: <c>capable(CAP_SYS_ADMIN)</c>
/// in NVIDIA's open kernel modules), or that may open the config capability. Root in a container has CAP_SYS_ADMIN only if the container
/// was given it, and in a user namespace of its own not on the host.
/// </remarks>
public sealed record MigPrivileges
{
    private const int SystemAdministrator = 21; // CAP_SYS_ADMIN, linux/capability.h

    /// <summary>The effective user id: 0 for root.</summary>
    public required int EffectiveUserId { get; init; }

    /// <summary>Whether CAP_SYS_ADMIN is among the effective capabilities.</summary>
    public required bool HasSysAdmin { get; init; }

    /// <summary>Whether the process is in the host's user namespace, where alone its capabilities count for the driver.</summary>
    public required bool IsInHostUserNamespace { get; init; }

    /// <summary>Whether it may open the config capability (<c>/dev/nvidia-caps/nvidia-cap1</c>).</summary>
    public required CapabilityAccess Config { get; init; }

    /// <summary>Whether it may open the monitor capability (<c>/dev/nvidia-caps/nvidia-cap2</c>).</summary>
    public required CapabilityAccess Monitor { get; init; }

    /// <summary>Whether the driver takes it for an administrator.</summary>
    public bool IsAdministrator => HasSysAdmin && IsInHostUserNamespace;

    /// <summary>Whether it may enable and disable MIG, and create and destroy instances.</summary>
    public bool CanChange => IsAdministrator || Config == CapabilityAccess.Granted;

    /// <summary>Whether it may list compute instances. GPU instances are shown to everybody.</summary>
    public bool CanList => IsAdministrator || Monitor == CapabilityAccess.Granted;

    /// <summary>A sentence or two on changes: whether they are possible, and why or what would make them so.</summary>
    public string ChangeExplanation => CanChange
        ? $"This process may change MIG: {Reason("config")}."
        : $"This process may not change MIG: {Obstacle("config", Config)}. {Remedy("config")}";

    /// <summary>A sentence or two on listing: whether it is possible, and why or what would make it so.</summary>
    public string ListExplanation => CanList
        ? $"This process may list compute instances: {Reason("monitor")}."
        : $"This process may not list compute instances: {Obstacle("monitor", Monitor)}. {Remedy("monitor")}";

    private string Remedy(string capability)
    {
        string container = EffectiveUserId == 0 ? " with CAP_SYS_ADMIN in the host's user namespace (docker run --cap-add SYS_ADMIN)" : "";
        return $"Run it as root{container}, or let it open the {capability} capability's device node.";
    }

    /// <summary>Reads the rights. Opens the two capabilities' device nodes for reading, and closes them.</summary>
    /// <param name="root">Where the host's file system is.</param>
    /// <exception cref="IOException">There is no /proc under the root, or it cannot be read.</exception>
    /// <exception cref="MigMinorsFormatException">The driver's file of device numbers is not of the form that is known.</exception>
    public static MigPrivileges Read(HostRoot root = default)
    {
        string status = root.Locate("/proc/self/status");
        int? user = null;
        ulong? capabilities = null;
        foreach (string line in File.ReadLines(status))
        {
            // "Uid:" has the real, the effective, the saved and the file system's user id.
            if (line.StartsWith("Uid:", StringComparison.Ordinal))
                user = int.Parse(line.Split('\t')[2], CultureInfo.InvariantCulture);
            else if (line.StartsWith("CapEff:", StringComparison.Ordinal))
            {
                ReadOnlySpan<char> bits = line.AsSpan("CapEff:".Length).Trim();
                capabilities = ulong.Parse(bits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            }
        }

        if (user is not { } userId || capabilities is not { } effective)
            throw new IOException($"{status} has no lines Uid and CapEff.");
        MigMinors minors = File.Exists(root.Locate(MigMinors.FilePath)) ? MigMinors.Read(root) : MigMinors.Known;
        return new MigPrivileges
        {
            EffectiveUserId = userId,
            HasSysAdmin = (effective >> SystemAdministrator & 1) != 0,
            IsInHostUserNamespace = MapsEveryUser(root.Locate("/proc/self/uid_map")),
            Config = TryOpen(root, minors.Config),
            Monitor = TryOpen(root, minors.Monitor),
        };
    }

    /// <summary>
    /// The host's user namespace maps every id to itself; one below it never maps all. A kernel without them has no such file.
    /// </summary>
    private static bool MapsEveryUser(string file) =>
        !File.Exists(file)
        || File.ReadAllText(file).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is ["0", "0", "4294967295"];

    private static CapabilityAccess TryOpen(HostRoot root, int? number)
    {
        if (number is not { } known)
            return CapabilityAccess.Missing;
        try
        {
            File.OpenHandle(root.Locate(MigMinors.DeviceNode(known)), share: FileShare.ReadWrite).Dispose();
            return CapabilityAccess.Granted;
        }
        catch (UnauthorizedAccessException)
        {
            return CapabilityAccess.Denied;
        }
        catch (IOException)
        {
            return CapabilityAccess.Missing;
        }
    }

    private string Reason(string capability) =>
        IsAdministrator ? "it has CAP_SYS_ADMIN" : $"it may open the {capability} capability's device node";

    private string Obstacle(string capability, CapabilityAccess access)
    {
        string node = access == CapabilityAccess.Denied
            ? $"may not open the {capability} capability's device node"
            : $"finds no device node of the {capability} capability";
        string rank = HasSysAdmin ? "its CAP_SYS_ADMIN counts in its own user namespace only"
            : EffectiveUserId == 0 ? "it is root without CAP_SYS_ADMIN"
            : string.Create(CultureInfo.InvariantCulture, $"it is user {EffectiveUserId} without CAP_SYS_ADMIN");
        return $"{rank}, and {node}";
    }
}
