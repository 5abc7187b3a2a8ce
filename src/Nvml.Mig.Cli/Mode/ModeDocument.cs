using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Mode;

/// <summary>The document of <c>enable --json</c> and <c>disable --json</c>.</summary>
internal sealed record ModeDocument(IReadOnlyList<ModeEntry> Gpus, ErrorEntry? Error);

/// <summary>The mode change of a GPU; <c>changed</c> is false if it was in that mode before, or still is in the other.</summary>
internal sealed record ModeEntry(int Index, MigModeOutcome? Outcome, NvmlReturnCode? Reason, bool Changed, ErrorEntry? Error);
