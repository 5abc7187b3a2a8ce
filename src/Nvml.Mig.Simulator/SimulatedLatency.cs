namespace Nvml.Mig.Simulator;

/// <summary>How long native calls take on the simulated machine.</summary>
public enum SimulatedLatency
{
    /// <summary>As long as the simulator needs.</summary>
    None,

    /// <summary>
    /// As long as on an H200: initialising, shutting down and the reads that were measured there as measured, reads that were not like
    /// the measured ones that they resemble, changes by assumption (0.1 s for a GPU instance, 30 ms for a compute instance, 1 s for MIG
    /// mode). A GPU does one thing at a time, different GPUs work side by side.
    /// </summary>
    H200,
}
