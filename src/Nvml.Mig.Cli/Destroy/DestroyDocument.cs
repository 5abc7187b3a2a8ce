using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Destroy;

/// <summary>The document of <c>destroy --json</c>.</summary>
internal sealed record DestroyDocument(IReadOnlyList<DestroyedEntry> Gpus, ErrorEntry? Error);

/// <summary>
/// The fate of the instances on a GPU: <c>2/0</c> is compute instance 0 of GPU instance 2, <c>2</c> the GPU instance. Those in
/// <c>uncertain</c> could not be read after a failure. The UUID is null if the GPU does not answer.
/// </summary>
internal sealed record DestroyedEntry(
    int Index,
    string? Uuid,
    IReadOnlyList<string> Destroyed,
    IReadOnlyList<string> NotDestroyed,
    IReadOnlyList<string> Uncertain,
    ErrorEntry? Error);
