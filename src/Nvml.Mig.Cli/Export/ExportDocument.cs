using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Export;

/// <summary>The document of <c>export --json</c>.</summary>
internal sealed record ExportDocument(IReadOnlyList<ExportEntry> Gpus, ErrorEntry? Error);

/// <summary>
/// The layout of a GPU as <c>apply</c> takes it; null while MIG is disabled. Of a GPU that cannot be read, the index and the error alone.
/// </summary>
internal sealed record ExportEntry(int Index, string? Uuid, string? Name, MigModeEntry? Mig, string? Layout, ErrorEntry? Error);
