using Nvml.Mig.Host;

namespace Nvml.Mig.Applying;

/// <summary>How layouts are applied.</summary>
public sealed record ApplyOptions
{
    /// <summary>The folder for the record of a real machine: <c>/var/lib/nvml-mig</c>.</summary>
    public const string DefaultJournalFolder = "/var/lib/nvml-mig";

    /// <summary>
    /// The folder that the layout is recorded in before the first change (<c>apply.json</c>), and that excludes other appliers of this
    /// folder while one works: whatever changes a machine must name the same. It is created, for the owner only, if it is not there; one
    /// that others than root and this user can write to is refused.
    /// </summary>
    public string JournalFolder { get; init; } = DefaultJournalFolder;

    /// <summary>
    /// How long to wait while another applier has the folder; by default it is an error at once. <see cref="Timeout.InfiniteTimeSpan"/>:
    /// until it is free.
    /// </summary>
    public TimeSpan LockTimeout { get; init; }

    /// <summary>Whether to plan and check only. Nothing is changed, recorded or excluded.</summary>
    public bool DryRun { get; init; }

    /// <summary>
    /// Whether one GPU that fails, or cannot be read, takes all others back to what they were; otherwise only itself, and the others
    /// finish. A GPU that is refused before the first change keeps all others from being changed in either case.
    /// </summary>
    public bool AllOrNothing { get; init; }

    /// <summary>
    /// How long a step is tried again that failed for a reason that may pass (<see cref="NvmlException.IsTransient"/>): the driver was not
    /// ready or timed out, a client that NVML does not show holds the GPU, processes of <see cref="GpuTarget.AllowInUse"/> end. Other
    /// failures are final at once. So is the use of an instance that is to be destroyed by another process: the applier does not wait for
    /// the end of that process. By default 5 seconds. <see cref="Timeout.InfiniteTimeSpan"/>: until the cause has passed or the apply is
    /// cancelled; in a rollback, which is not cancelled, until the cause has passed.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The pause before the first such attempt, one second at most; it doubles with each up to that. By default 50 ms.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Whether a GPU whose MIG mode switches only by a reset from outside or a reboot, as of the Ampere generation in a virtual machine, is
    /// left with the mode pending (<see cref="ApplyOutcome.Pending"/>): after the reboot the same apply completes. Otherwise such a GPU is
    /// refused before the first change. Instances are never destroyed for a mode that cannot be switched now.
    /// </summary>
    public bool LeaveModePending { get; init; }

    /// <summary>
    /// Called with the result before the journal is closed: reports it to the caller. If the process dies before that is done, the same
    /// change (<c>+1g.5gb</c>), repeated, completes and does not add another instance. If it throws, that is the
    /// <see cref="ApplyResult.Error"/>.
    /// </summary>
    public Func<ApplyResult, Task>? Report { get; init; }

    /// <summary>
    /// Resets a GPU where a MIG mode waits for that: <see cref="NvidiaSmi.ResetGpuAsync"/>, for instance. Null: nothing is reset, and
    /// where a reset is necessary, the GPU is rolled back to its former mode.
    /// </summary>
    public Func<GpuDevice, CancellationToken, Task>? ResetGpu { get; init; }

    /// <summary>
    /// The services that hold GPUs. Services that this apply or one that died has stopped are started again after the last change,
    /// however that went. Null: services are not touched.
    /// </summary>
    public GpuServices? Services { get; init; }

    /// <summary>
    /// Whether <see cref="Services"/> may be stopped. They are, once for all GPUs, only if a GPU must be reset, or if a call fails with
    /// <see cref="NvmlReturnCode.InUse"/> and NVML shows nobody who uses it; the call is then repeated.
    /// </summary>
    public bool Quiesce { get; init; }

    /// <summary>The clock for <see cref="Timeout"/> and <see cref="RetryDelay"/>; by default the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
