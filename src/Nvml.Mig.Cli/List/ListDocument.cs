using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.List;

/// <summary>The document of <c>list --json</c>.</summary>
internal sealed record ListDocument(IReadOnlyList<GpuLayoutEntry> Gpus, ErrorEntry? Error);

/// <summary>The layout of a GPU; <c>notice</c> says what to do about a mode that is pending.</summary>
internal sealed record GpuLayoutEntry(
    int Index, string? Name, string? Uuid, string? PciBusId, MigModeEntry? Mig, IReadOnlyList<GpuInstanceEntry>? GpuInstances,
    string? Notice, ErrorEntry? Error);
