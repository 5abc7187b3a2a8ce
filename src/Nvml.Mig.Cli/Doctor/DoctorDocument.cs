using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>
/// What <c>doctor --json</c> prints: everything that a support engineer would ask first. What could not be read is null and stands in
/// <c>unread</c>, with the reason.
/// </summary>
/// <param name="Nvmig">The version of nvmig.</param>
/// <param name="Time">When the report was made.</param>
/// <param name="System">The operating system and the runtime.</param>
/// <param name="Host">What Linux says beside NVML; null on a simulated machine, which has no host.</param>
/// <param name="Driver">Null if NVML cannot be used: see <paramref name="Error"/>.</param>
/// <param name="Gpus">The GPUs.</param>
/// <param name="Findings">What is worth knowing, the worst first.</param>
/// <param name="Error">Why NVML cannot be used, or what the first GPU says that does not answer.</param>
internal sealed record DoctorDocument(
    string Nvmig,
    DateTimeOffset Time,
    SystemReport System,
    HostReport? Host,
    DriverReport? Driver,
    IReadOnlyList<GpuReport> Gpus,
    IReadOnlyList<Finding> Findings,
    ErrorEntry? Error);

internal sealed record SystemReport(string OperatingSystem, string Kernel, string Architecture, string Runtime, string? NvmlLibraryPath, string? Simulated);

/// <summary>The driver; <c>functions</c> says of each function that nvmig knows whether the driver has it.</summary>
internal sealed record DriverReport(
    string? DriverVersion,
    string? DriverBranch,
    string? NvmlVersion,
    string? CudaVersion,
    string Library,
    string? LibraryFile,
    IReadOnlyDictionary<string, bool> Functions,
    IReadOnlyList<UnreadEntry> Unread);

/// <summary>What Linux says. What cannot be read is null; <c>problems</c> says why.</summary>
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
    int EffectiveUserId, bool SysAdmin, bool HostUserNamespace, string ConfigCapability, string MonitorCapability, bool CanChange, bool CanList, string Explanation);

/// <summary>Who has device files open, as far as it can be seen: processes that could not be looked into may too.</summary>
internal sealed record HoldersReport(bool SeesWholeHost, IReadOnlyList<int> UnreadableProcesses, IReadOnlyList<HolderReport> Processes);

/// <summary>A process with device files open, and the capabilities of instances that are among them, such as <c>gpu0/gi7/access</c>.</summary>
internal sealed record HolderReport(
    int ProcessId, string Name, string? Command, string? Service, string? SystemdUnit, IReadOnlyList<string> Files, IReadOnlyList<string> Capabilities);

/// <summary>A GPU; all null but the index and <c>error</c> if it does not answer.</summary>
internal sealed record GpuReport(int Index)
{
    public string? Name { get; set; }

    public string? Uuid { get; set; }

    public string? PciBusId { get; set; }

    public int? MinorNumber { get; set; }

    public string? Serial { get; set; }

    public string? Brand { get; set; }

    public string? Architecture { get; set; }

    public string? ComputeCapability { get; set; }

    public string? VbiosVersion { get; set; }

    public bool? PersistenceMode { get; set; }

    public string? ComputeMode { get; set; }

    public string? VirtualizationMode { get; set; }

    public string? FabricState { get; set; }

    public bool? MigCapable { get; set; }

    public MigModeEntry? Mig { get; set; }

    public bool? ChangesMigModeWithoutReset { get; set; }

    public bool? AnswersInAnyMigMode { get; set; }

    public MemoryReport? Memory { get; set; }

    public long? Bar1TotalBytes { get; set; }

    public int? TemperatureCelsius { get; set; }

    public double? PowerWatts { get; set; }

    public double? PowerLimitWatts { get; set; }

    public int? UtilizationPercent { get; set; }

    public long? UncorrectedEccErrors { get; set; }

    public RemappedRowsReport? RemappedRows { get; set; }

    public string? SupportedEvents { get; set; }

    public bool? Gpm { get; set; }

    public IReadOnlyList<StructVersionReport>? StructVersions { get; set; }

    public IReadOnlyList<QuirkReport>? Quirks { get; set; }

    public IReadOnlyList<ProfileReport>? Profiles { get; set; }

    public IReadOnlyList<GpuInstanceEntry>? GpuInstances { get; set; }

    public IReadOnlyList<ProcessReport>? Processes { get; set; }

    /// <summary>Processes that have device files of the GPU or its instances open; null on a simulated machine, and where that cannot be read.</summary>
    public IReadOnlyList<GpuHolderReport>? Holders { get; set; }

    public Readiness? Readiness { get; set; }

    public IReadOnlyList<UnreadEntry> Unread { get; set; } = [];

    public ErrorEntry? Error { get; set; }
}

internal sealed record MemoryReport(long TotalBytes, long? ReservedBytes, long UsedBytes, long FreeBytes);

internal sealed record RemappedRowsReport(int Correctable, int Uncorrectable, bool Pending, bool Failed);

internal sealed record StructVersionReport(string Struct, int Version, NvmlReturnCode Code);

internal sealed record QuirkReport(string Name, string Description);

internal sealed record ProfileReport(
    int Number, int Id, string Name, int Slices, int MaxInstances, int Free, long MemoryMiB, int Multiprocessors, string Capabilities, IReadOnlyList<PlacementEntry> Placements);

internal sealed record ProcessReport(int ProcessId, string? Name, string Kinds, long? UsedMemoryBytes, int? GpuInstanceId, int? ComputeInstanceId);

/// <summary>Something that could not be read, and why.</summary>
internal sealed record UnreadEntry(string What, NvmlReturnCode Code, string Function, string Message);

/// <summary>Who holds a GPU. <c>shownByNvml</c> is null if NVML does not show its processes to us.</summary>
internal sealed record GpuHolderReport(int ProcessId, string Name, string? Service, string? SystemdUnit, bool? ShownByNvml, IReadOnlyList<int> GpuInstances);

/// <summary>Whether a GPU is ready for each kind of change, as far as can be seen.</summary>
internal sealed record Readiness(ChangeReadiness ModeChange, ChangeReadiness Create, ChangeReadiness Destroy);

/// <summary><c>ready</c> is null if something that decides it could not be read.</summary>
internal sealed record ChangeReadiness(bool? Ready, IReadOnlyList<string> Obstacles);

internal enum Severity
{
    /// <summary>Something does not work.</summary>
    Error,

    /// <summary>Something will not work, or not as one expects.</summary>
    Warning,

    /// <summary>Good to know.</summary>
    Note,
}

/// <summary>Something worth knowing, of these GPUs or, without any, of the machine. The code names its kind and never changes.</summary>
internal sealed record Finding(Severity Severity, string Code, IReadOnlyList<int> Gpus, string Message);
