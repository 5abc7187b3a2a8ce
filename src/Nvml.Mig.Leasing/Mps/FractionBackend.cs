namespace Nvml.Mig.Leasing.Mps;

/// <summary>How well a promise is kept.</summary>
internal enum Enforcement
{
    /// <summary>Not at all: whoever takes more has it.</summary>
    None,

    /// <summary>No process gets more; whether it gets as much depends on the others.</summary>
    Cap,

    /// <summary>It has exactly that, whatever the others do.</summary>
    Hard,
}

/// <summary>A way to divide a device into fractions, and what it enforces. The rest is refused, never silently weaker.</summary>
/// <param name="Name">Its name, for people.</param>
/// <param name="Compute">Whether a fraction's part of the multiprocessors holds.</param>
/// <param name="Memory">Whether a fraction's memory holds, for each of its processes.</param>
/// <param name="HasOwnFaults">Whether the fault of one fraction leaves the others alone.</param>
/// <param name="ChangesRunning">Whether the part of a program that runs can be changed.</param>
internal sealed record FractionBackend(string Name, Enforcement Compute, Enforcement Memory, bool HasOwnFaults, bool ChangesRunning)
{
    /// <summary>
    /// Several compute instances in one GPU instance: NVIDIA's MIG guide. The multiprocessors are divided, the memory is shared.
    /// </summary>
    public static FractionBackend ComputeInstances { get; } = new("compute instances", Enforcement.Hard, Enforcement.None, false, false);

    /// <summary>
    /// MPS, as measured on an H200: percentages and limits are caps of each process and no reservations; an illegal access of one client
    /// ends all of them; caps hold for processes that start afterwards.
    /// </summary>
    public static FractionBackend Mps { get; } = new("MPS", Enforcement.Cap, Enforcement.Cap, false, false);

    /// <summary>Programs beside each other, in turns: nothing holds.</summary>
    public static FractionBackend TimeSlices { get; } = new("time slices", Enforcement.None, Enforcement.None, true, false);

    public static IReadOnlyList<FractionBackend> All { get; } = [ComputeInstances, Mps, TimeSlices];

    /// <summary>Why it cannot promise this; null if it can.</summary>
    public string? Refuse(Enforcement compute, Enforcement memory) =>
        (Compute < compute, Memory < memory) switch
        {
            (true, true) => $"{Name} can hold neither a part of the multiprocessors nor memory so firmly.",
            (true, false) => $"{Name} cannot hold a part of the multiprocessors so firmly.",
            (false, true) => $"{Name} cannot hold memory so firmly.",
            _ => null,
        };
}
