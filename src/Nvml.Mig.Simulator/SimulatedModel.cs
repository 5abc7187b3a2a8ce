namespace Nvml.Mig.Simulator;

/// <summary>A GPU model that the simulator knows.</summary>
/// <param name="Key">The name to give to <see cref="NvmlSimulator.Start"/>, such as <c>A100-SXM4-40GB</c>.</param>
/// <param name="Name">The product's name, as the driver reports it.</param>
/// <param name="IsSimulated">Whether enough is known of it to simulate it truly.</param>
/// <param name="HasMig">Whether the GPU can be divided.</param>
/// <param name="MemoryMiB">The memory of the GPU in MiB; null if the model is not simulated.</param>
/// <param name="Note">How well it is known; if it is not simulated, what is not known of it.</param>
/// <param name="Bar1MiB">The BAR1 memory of the GPU in MiB; null if the model is not simulated.</param>
/// <param name="IsMemoryDerived">
/// Whether no session on such a board shows its memory, so that it is that of the board with the same chip and memory.
/// </param>
/// <param name="IsBar1Derived">
/// Whether no session on such a board shows its BAR1 memory, so that it is the power of two that the published memory size reaches.
/// </param>
public sealed record SimulatedModel(
    string Key,
    string Name,
    bool IsSimulated,
    bool HasMig,
    int? MemoryMiB,
    string Note,
    int? Bar1MiB,
    bool IsMemoryDerived,
    bool IsBar1Derived);
