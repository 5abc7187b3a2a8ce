namespace Nvml.Mig;

/// <summary>A GPU's part in an NVLink fabric, through NVSwitches, that a fabric manager sets up.</summary>
/// <param name="State">How far it is set up.</param>
/// <param name="Status">How the set-up ended; of meaning when the state is <see cref="FabricState.Completed"/>.</param>
/// <param name="ClusterUuid">The cluster; empty if there is none.</param>
/// <param name="CliqueId">GPUs of the same clique reach each other.</param>
public readonly record struct FabricInfo(FabricState State, NvmlReturnCode Status, Guid ClusterUuid, int CliqueId);

/// <summary>How far a GPU's NVLink fabric is set up.</summary>
public enum FabricState
{
    /// <summary>The GPU has no fabric to join.</summary>
    NotSupported = 0,

    /// <summary>Not begun: the fabric manager does not run, say.</summary>
    NotStarted = 1,

    /// <summary>Under way.</summary>
    InProgress = 2,

    /// <summary>Ended; whether well, <see cref="FabricInfo.Status"/> says.</summary>
    Completed = 3,
}
