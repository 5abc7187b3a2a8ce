namespace Nvml.Mig.Simulator;

/// <summary>The privileges of this process on the simulated machine.</summary>
public enum SimulatedPrivileges
{
    /// <summary>Everything, as root.</summary>
    All,

    /// <summary>Create and destroy instances, but set no mode: the MIG config capability.</summary>
    Config,

    /// <summary>See instances, change nothing: the MIG monitor capability.</summary>
    Monitor,

    /// <summary>
    /// See GPU instances and MIG devices, but neither ask for compute instances, nor for memory and processes of a GPU in MIG mode.
    /// </summary>
    None,
}
