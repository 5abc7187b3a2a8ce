using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Mode;

/// <summary>The document of <c>enable --json</c> and <c>disable --json</c>.</summary>
internal sealed record ModeDocument(IReadOnlyList<ModeEntry> Gpus, ErrorEntry? Error);

/// <summary>
/// The mode change of a GPU; <c>changed</c> is false if it was in that mode before, or still is in the other; <c>uncertain</c> is true if
/// the mode cannot be read after a failure.
/// </summary>
internal sealed record ModeEntry(
    int Index, MigModeOutcome? Outcome, NvmlReturnCode? Reason, bool Changed, bool Uncertain, ErrorEntry? Error);
