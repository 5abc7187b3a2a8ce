using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Placements;

/// <summary>The document of <c>placements --json</c>.</summary>
internal sealed record PlacementsDocument(IReadOnlyList<GpuPlacementsEntry> Gpus, ErrorEntry? Error);

/// <summary>The placements of a GPU; <c>notice</c> says what to do about a mode that is pending.</summary>
internal sealed record GpuPlacementsEntry(
    int Index, string? Uuid, IReadOnlyList<ProfilePlacementsEntry>? Profiles, MigModeEntry? Mig, string? Notice, ErrorEntry? Error);

internal sealed record ProfilePlacementsEntry(int Id, string Name, IReadOnlyList<PlacementEntry> Placements);
