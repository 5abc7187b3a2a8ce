namespace Nvml.Mig.Simulator;

/// <summary>How long native calls take on the simulated machine.</summary>
public enum SimulatedLatency
{
    /// <summary>As long as the simulator needs.</summary>
    None,

    /// <summary>
    /// As long as on hardware. Measured, on an H200 with MIG disabled: initialising, shutting down and most reads, which take longer where
    /// the GPU was not asked for 20 us; reads that were not measured are like those that they resemble. From others' logs: changes on
    /// Ampere (4.2 s for MIG mode, 0.07 s for a GPU instance with its compute instance, about as much to destroy them) and instances on
    /// newer GPUs (0.3 s and as much). Assumed: 1 s for MIG mode on newer GPUs, and how much of a pair is the compute instance.
    /// Calls wait for each other as in the driver: in a process, one call at a time reaches it; while anything changes, compute instances,
    /// MIG devices or processes are listed, or a process initialises NVML, everybody else on the machine waits, whatever GPU it is about.
    /// </summary>
    Hardware,
}
