using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.List;

/// <summary>The document of <c>list --json</c>.</summary>
internal sealed record ListDocument(IReadOnlyList<GpuLayoutEntry> Gpus, ErrorEntry? Error);

internal sealed record GpuLayoutEntry(
    int Index, string? Name, string? Uuid, string? PciBusId, MigModeEntry? Mig, IReadOnlyList<GpuInstanceEntry>? GpuInstances,
    ErrorEntry? Error);
