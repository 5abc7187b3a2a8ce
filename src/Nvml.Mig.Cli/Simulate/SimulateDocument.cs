using Nvml.Mig.Cli.Output;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Simulate;

/// <summary>What <c>simulate reset --json</c> prints.</summary>
internal sealed record ResetDocument(IReadOnlyList<string> Reset, ErrorEntry? Error);

/// <summary>What <c>simulate models --json</c> prints.</summary>
internal sealed record ModelsDocument(IReadOnlyList<SimulatedModel> Models, ErrorEntry? Error);
