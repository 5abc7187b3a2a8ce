using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Profiles;

/// <summary>The document of <c>profiles --json</c>.</summary>
internal sealed record ProfilesDocument(IReadOnlyList<GpuProfilesEntry> Gpus, ErrorEntry? Error);

/// <summary>The profiles of a GPU; <c>notice</c> says what to do about a mode that is pending.</summary>
internal sealed record GpuProfilesEntry(
    int Index, string? Uuid, IReadOnlyList<ProfileEntry>? Profiles, MigModeEntry? Mig, string? Notice, ErrorEntry? Error);

internal sealed record ProfileEntry(
    int Id,
    string Name,
    int Number,
    int Free,
    int Total,
    int Slices,
    long MemoryMiB,
    int Multiprocessors,
    int CopyEngines,
    int Decoders,
    int Encoders,
    int Jpegs,
    int Ofas,
    bool P2P);
