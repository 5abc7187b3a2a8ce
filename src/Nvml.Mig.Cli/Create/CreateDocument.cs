using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Create;

/// <summary>The document of <c>create --json</c>.</summary>
internal sealed record CreateDocument(IReadOnlyList<CreatedEntry> Gpus, ErrorEntry? Error);

/// <summary>
/// The changes on a GPU: whether MIG mode was enabled, what was created, what failed (null: nothing), what was not tried after a failure or
/// an interruption, what may be there and cannot be read, and, after a failure or an interruption, the room left (null: it cannot be read).
/// The UUID is null if the GPU does not answer.
/// </summary>
internal sealed record CreatedEntry(
    int Index,
    string? Uuid,
    bool MigEnabled,
    IReadOnlyList<GpuInstanceEntry> Created,
    string? Failed,
    IReadOnlyList<string> NotTried,
    IReadOnlyList<string> Uncertain,
    IReadOnlyList<RoomEntry>? Room,
    ErrorEntry? Error);

/// <summary>How many more instances of a profile a GPU has room for.</summary>
internal sealed record RoomEntry(string Profile, int Free, int Total);
