using Nvml.Mig.Applying;
using Nvml.Mig.Host;

namespace Nvml.Mig.Leasing;

/// <summary>How leases are kept.</summary>
public sealed record LeaseOptions
{
    /// <summary>The queue that there always is: without a quota, so that it gets what it asks for if nobody else needs it.</summary>
    public const string DefaultQueue = "default";

    /// <summary>The folder of MPS daemons on a machine.</summary>
    public const string DefaultMpsFolder = "/run/nvml-mig/mps";

    /// <inheritdoc cref="ApplyOptions.JournalFolder"/>
    public string JournalFolder { get; init; } = ApplyOptions.DefaultJournalFolder;

    /// <summary>How long to wait while another process changes GPUs; by default without end.</summary>
    public TimeSpan LockTimeout { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>
    /// How often GPUs are read again while a claim waits for room: strangers' instances can have gone. By default every 30 seconds.
    /// </summary>
    public TimeSpan ReadInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Where the daemons of MPS are kept that hold fractions to their parts. All who keep leases in one journal folder must have the same,
    /// as <c>nvmig</c> has the default one.
    /// </summary>
    public string MpsFolder { get; init; } = DefaultMpsFolder;

    /// <summary>The id of this boot; by default the kernel's. Leases of another boot have ended.</summary>
    public string BootId { get; init; } = HostProcess.BootId;

    /// <summary>The clock; by default the system's. A clock that goes back makes leases last longer, and ends none.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
