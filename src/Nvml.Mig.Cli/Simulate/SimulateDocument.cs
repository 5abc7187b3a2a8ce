using Nvml.Mig.Cli.Output;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Simulate;

/// <summary>The document of <c>simulate reset --json</c>.</summary>
internal sealed record ResetDocument(IReadOnlyList<string> Reset, ErrorEntry? Error);

/// <summary>The document of <c>simulate models --json</c>.</summary>
internal sealed record ModelsDocument(IReadOnlyList<SimulatedModel> Models, ErrorEntry? Error);
