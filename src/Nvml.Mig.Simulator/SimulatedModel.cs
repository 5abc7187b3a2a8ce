namespace Nvml.Mig.Simulator;

/// <summary>A GPU model that the simulator knows.</summary>
/// <param name="Key">The name to give to <see cref="NvmlSimulator.Start"/>, such as <c>A100-SXM4-40GB</c>.</param>
/// <param name="Name">The product's name, as the driver reports it.</param>
/// <param name="IsSimulated">Whether enough is known of it to simulate it truly.</param>
/// <param name="HasMig">Whether the GPU can be divided.</param>
/// <param name="MemoryMiB">The memory of the GPU in MiB; null if that is not known.</param>
/// <param name="Note">How well it is known; if it is not simulated, what is not known of it.</param>
public sealed record SimulatedModel(string Key, string Name, bool IsSimulated, bool HasMig, int? MemoryMiB, string Note);
