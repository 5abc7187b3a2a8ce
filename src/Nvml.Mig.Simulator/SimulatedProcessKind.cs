namespace Nvml.Mig.Simulator;

/// <summary>The work of a simulated process on a GPU. It decides in which of NVML's lists of processes it shows.</summary>
public enum SimulatedProcessKind
{
    /// <summary>It computes.</summary>
    Compute,

    /// <summary>It computes as a client of the Multi-Process Service (MPS): listed among both.</summary>
    MpsClient,

    /// <summary>It draws.</summary>
    Graphics,
}
