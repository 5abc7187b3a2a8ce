namespace Nvml.Mig;

/// <summary>The processes that may compute on a GPU or MIG device (nvmlComputeMode_t).</summary>
public enum ComputeMode
{
    /// <summary>Any number of processes.</summary>
    Default = 0,

    /// <summary>One thread at a time; no driver has it any more.</summary>
    ExclusiveThread = 1,

    /// <summary>Nobody.</summary>
    Prohibited = 2,

    /// <summary>One process at a time. Not with MIG.</summary>
    ExclusiveProcess = 3,
}
