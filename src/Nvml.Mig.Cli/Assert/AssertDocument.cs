using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Assert;

/// <summary>The document of <c>assert --json</c>.</summary>
internal sealed record AssertDocument(IReadOnlyList<AssertEntry> Gpus, ErrorEntry? Error);

/// <summary>Whether a GPU is divided as the layout says, and the differences if not; the UUID is null if the GPU does not answer.</summary>
internal sealed record AssertEntry(int Index, string? Uuid, bool Holds, IReadOnlyList<string> Differences, ErrorEntry? Error);
