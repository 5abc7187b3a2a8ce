using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>
/// The document of <c>doctor --json</c>: everything that a support engineer asks for first. A reading that failed is null, and is in
/// <c>unread</c> with the reason.
/// </summary>
/// <param name="Nvmig">The version of nvmig.</param>
/// <param name="Time">The time of the report.</param>
/// <param name="System">The operating system and the runtime.</param>
/// <param name="Host">The report of Linux beside NVML; null on a simulated machine, which has no host.</param>
/// <param name="Driver">Null if NVML cannot be used: see <paramref name="Error"/>.</param>
/// <param name="Gpus">The GPUs.</param>
/// <param name="Findings">The findings, the worst first.</param>
/// <param name="Error">Why NVML cannot be used, or the error of the first GPU that does not answer.</param>
internal sealed record DoctorDocument(
    string Nvmig,
    DateTimeOffset Time,
    SystemReport System,
    HostReport? Host,
    DriverReport? Driver,
    IReadOnlyList<GpuReport> Gpus,
    IReadOnlyList<Finding> Findings,
    ErrorEntry? Error)
{
    /// <summary>How devices can be divided into fractions; null on a simulated machine.</summary>
    public IReadOnlyList<SharingReport>? Sharing { get; init; }
}

/// <summary>A way to divide a device, what it enforces, and why this machine cannot do it.</summary>
internal sealed record SharingReport(string Backend, string Enforces, string? Problem);

internal sealed record SystemReport(
    string OperatingSystem, string Kernel, string Architecture, string Runtime, string? NvmlLibraryPath, string? Simulated);

/// <summary>The driver; <c>functions</c> has each function that nvmig knows, and whether the driver has it.</summary>
internal sealed record DriverReport(
    string? DriverVersion,
    string? DriverBranch,
    string? NvmlVersion,
    string? CudaVersion,
    string Library,
    string? LibraryFile,
    IReadOnlyDictionary<string, bool> Functions,
    IReadOnlyList<UnreadEntry> Unread);

/// <summary>The report of Linux. A reading that failed is null, with the reason in <c>problems</c>.</summary>
internal sealed record HostReport(
    string Root,
    string? KernelModule,
    bool? NvidiaDrmLoaded,
    IReadOnlyList<NodeReport> DeviceNodes,
    PrivilegesReport? Privileges,
    HoldersReport? Holders,
    IReadOnlyList<string> Problems);

internal sealed record NodeReport(string Path, bool Exists);

internal sealed record PrivilegesReport(
    int EffectiveUserId,
    bool SysAdmin,
    bool HostUserNamespace,
    string ConfigCapability,
    string MonitorCapability,
    bool CanChange,
    bool CanList,
    string Explanation);

/// <summary>The processes with device files open. Those that cannot be inspected may have some open too.</summary>
internal sealed record HoldersReport(bool SeesWholeHost, IReadOnlyList<int> UnreadableProcesses, IReadOnlyList<HolderReport> Processes);

/// <summary>A process with device files open, and the capabilities of instances among them, such as <c>gpu0/gi7/access</c>.</summary>
internal sealed record HolderReport(
    int ProcessId, string Name, string? Command, string? Service, string? SystemdUnit, IReadOnlyList<string> Files,
    IReadOnlyList<string> Capabilities);

/// <summary>A reading that failed, and why.</summary>
internal sealed record UnreadEntry(string What, NvmlReturnCode Code, string Function, string Message);

internal enum Severity
{
    /// <summary>Something does not work.</summary>
    Error,

    /// <summary>Something will not work, or not as expected.</summary>
    Warning,

    /// <summary>Good to know.</summary>
    Note,
}

/// <summary>A finding about these GPUs, or without any about the machine. The code names its kind and never changes.</summary>
internal sealed record Finding(Severity Severity, string Code, IReadOnlyList<int> Gpus, string Message);
