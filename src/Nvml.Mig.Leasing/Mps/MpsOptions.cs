namespace Nvml.Mig.Leasing.Mps;

/// <summary>Where daemons are kept, and how long is waited for them.</summary>
internal sealed record MpsOptions
{
    /// <summary>The environment variable that names <c>nvidia-cuda-mps-control</c> where it is not on PATH.</summary>
    public const string ProgramVariable = "NVMIG_MPS_CONTROL";

    /// <summary>The folder of all daemons. All that is known of them is in it.</summary>
    public string Root { get; init; } = "/run/nvml-mig/mps";

    /// <summary>The path of <c>nvidia-cuda-mps-control</c>; null: that of the variable, or the one on PATH.</summary>
    public string? Program { get; init; }

    /// <summary>How long one command may take. A stopped server hangs commands for good: measured.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Called before, during and after each command: the points at which tests let this process die.</summary>
    public Action? Step { get; init; }
}
