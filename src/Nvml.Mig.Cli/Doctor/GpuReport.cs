using System.Text.Json.Serialization;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>A GPU; all null but the index and <c>error</c> if it does not answer.</summary>
internal sealed record GpuReport(int Index)
{
    public string? Name { get; init; }

    public string? Uuid { get; init; }

    public string? PciBusId { get; init; }

    public int? MinorNumber { get; init; }

    public string? Serial { get; init; }

    public string? Brand { get; init; }

    public string? Architecture { get; init; }

    public string? ComputeCapability { get; init; }

    public string? VbiosVersion { get; init; }

    public bool? PersistenceMode { get; init; }

    public string? ComputeMode { get; init; }

    public string? VirtualizationMode { get; init; }

    public string? FabricState { get; init; }

    public bool? MigCapable { get; init; }

    public MigModeEntry? Mig { get; init; }

    public bool? ChangesMigModeWithoutReset { get; init; }

    public bool? AnswersInAnyMigMode { get; init; }

    public MemoryReport? Memory { get; init; }

    public long? Bar1TotalBytes { get; init; }

    public int? TemperatureCelsius { get; init; }

    public double? PowerWatts { get; init; }

    public double? PowerLimitWatts { get; init; }

    public int? UtilizationPercent { get; init; }

    public long? UncorrectedEccErrors { get; init; }

    public RemappedRowsReport? RemappedRows { get; init; }

    public string? SupportedEvents { get; init; }

    public bool? Gpm { get; init; }

    public IReadOnlyList<StructVersionReport>? StructVersions { get; init; }

    public IReadOnlyList<QuirkReport>? Quirks { get; init; }

    public IReadOnlyList<ProfileReport>? Profiles { get; init; }

    public IReadOnlyList<GpuInstanceEntry>? GpuInstances { get; init; }

    public IReadOnlyList<ProcessReport>? Processes { get; init; }

    /// <summary>The processes with device files of the GPU or its instances open; null on a simulated machine, and if unreadable.</summary>
    public IReadOnlyList<GpuHolderReport>? Holders { get; init; }

    public Readiness? Readiness { get; init; }

    public IReadOnlyList<UnreadEntry> Unread { get; init; } = [];

    public ErrorEntry? Error { get; init; }

    [JsonIgnore]
    public bool IsPassedThrough => VirtualizationMode == nameof(GpuVirtualizationMode.Passthrough);
}

internal sealed record MemoryReport(long TotalBytes, long? ReservedBytes, long UsedBytes, long FreeBytes);

internal sealed record RemappedRowsReport(int Correctable, int Uncorrectable, bool Pending, bool Failed);

internal sealed record StructVersionReport(string Struct, int Version, NvmlReturnCode Code);

internal sealed record QuirkReport(string Name, string Description);

internal sealed record ProfileReport(
    int Number, int Id, string Name, int Slices, int MaxInstances, int Free, long MemoryMiB, int Multiprocessors, string Capabilities,
    IReadOnlyList<PlacementEntry> Placements);

internal sealed record ProcessReport(
    int ProcessId, string? Name, string Kinds, long? UsedMemoryBytes, int? GpuInstanceId, int? ComputeInstanceId);

/// <summary>A process that holds a GPU. <c>shownByNvml</c> is null if NVML does not show us its processes.</summary>
internal sealed record GpuHolderReport(
    int ProcessId, string Name, string? Service, string? SystemdUnit, bool? ShownByNvml, IReadOnlyList<int> GpuInstances);

/// <summary>Whether a GPU is ready for each kind of change, as far as is visible.</summary>
internal sealed record Readiness(ChangeReadiness ModeChange, ChangeReadiness Create, ChangeReadiness Destroy);

/// <summary><c>ready</c> is null if a reading that decides it failed.</summary>
internal sealed record ChangeReadiness(bool? Ready, IReadOnlyList<string> Obstacles);
