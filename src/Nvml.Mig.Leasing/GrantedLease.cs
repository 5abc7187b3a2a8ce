using System.Text.Json.Serialization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Leases;

namespace Nvml.Mig.Leasing;

/// <summary>
/// How long a lease lasts: while a process runs, for a time that can be renewed, or both, whichever ends first. Neither: until it is
/// released.
/// </summary>
/// <param name="Process">The process; null: none in particular.</param>
/// <param name="Duration">How long without being renewed; null: without end.</param>
public sealed record LeaseHold(HostProcess? Process = null, TimeSpan? Duration = null)
{
    /// <summary>
    /// Whether the process may be ended when the lease is taken back: SIGTERM after the notice, SIGKILL after the grace period. Otherwise
    /// it is waited for.
    /// </summary>
    public bool MayEndProcess { get; init; }

    /// <summary>While this process runs.</summary>
    public static LeaseHold WhileThisProcessRuns => new(HostProcess.Current);

    /// <summary>Until it is released.</summary>
    public static LeaseHold UntilReleased { get; } = new();
}

/// <summary>An instance of a lease.</summary>
/// <param name="Place">Where it is.</param>
/// <param name="Profile">The name of its profile.</param>
/// <param name="GpuInstanceId">The id of the GPU instance.</param>
/// <param name="ComputeInstanceId">The id of the compute instance, which takes the whole of it unless it is a fraction.</param>
/// <param name="MigUuid">
/// The UUID of its MIG device. It names the place: the next instance there has the same. <see cref="GrantedLease.Generation"/> tells them
/// apart.
/// </param>
public sealed record LeasedInstance(InstancePlace Place, string Profile, int GpuInstanceId, int ComputeInstanceId, string MigUuid)
{
    /// <summary>Why nobody should use it; null if it is well.</summary>
    public string? Quarantine { get; init; }

    /// <summary>Whether it is a GPU with MIG disabled: then the ids are -1, and the UUID is the GPU's.</summary>
    [JsonIgnore]
    public bool IsWholeGpu => WholeGpu.Is(Place);

    /// <summary>The name that container runtimes know it by, as in <see cref="CdiSpecification"/>.</summary>
    [JsonIgnore]
    public string CdiDevice => $"{CdiSpecification.DefaultKind}={MigUuid}";

    /// <summary><c>1g.10gb at 0:1 of GPU-... (MIG-...)</c></summary>
    public override string ToString() => $"{Profile} at {Place.Placement} of {Place.Gpu} ({MigUuid})";
}

/// <summary>A lease and its instances, as they are on the GPUs.</summary>
/// <param name="Lease">The promise.</param>
/// <param name="Generation">A number that only grows: of two leases on one instance the later has the higher. A fencing token.</param>
/// <param name="BootId">The boot of the machine that it was granted in. It does not outlive that.</param>
/// <param name="Hold">How long it lasts.</param>
/// <param name="Instances">Its instances, in the order of the claim's requests.</param>
public sealed record GrantedLease(
    Lease Lease, long Generation, string BootId, LeaseHold Hold, IReadOnlyList<LeasedInstance> Instances)
{
    /// <summary>Its name, which is the claim's.</summary>
    [JsonIgnore]
    public string Id => Lease.Id;

    /// <summary>When it ends without being renewed; null: not by time.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>Why it has ended or was told to go; null if it has not.</summary>
    public LeaseEnding? Ending { get; init; }

    /// <summary>Since when it has been idle; null if it is not, if that is not known, or if its queue does not ask.</summary>
    public DateTimeOffset? IdleSince { get; init; }

    /// <summary>Its part of a device that is shared; null: it has all of its instances.</summary>
    public GrantedFraction? Fraction { get; init; }

    /// <summary>How it is divided into fractions; null: it is not for fractions.</summary>
    public SharedDevice? Shared { get; init; }

    /// <summary>
    /// The variables for a program that is to use it: <c>CUDA_VISIBLE_DEVICES</c> and <c>NVIDIA_VISIBLE_DEVICES</c>, and for a fraction
    /// those that hold it to its part.
    /// </summary>
    [JsonIgnore]
    public IReadOnlyDictionary<string, string> Environment
    {
        get
        {
            if (Fraction is not null)
                return Fraction.Environment;
            string devices = string.Join(',', Instances.Select(i => i.MigUuid));
            return new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["CUDA_VISIBLE_DEVICES"] = devices,
                ["NVIDIA_VISIBLE_DEVICES"] = devices,
            };
        }
    }

    /// <summary>
    /// Whether a process on one of its instances is of this lease. Of a fraction by the variables that its program, or a parent of it, was
    /// given; a process that does not say, or cannot be asked, counts as of each. The server of MPS is nobody's.
    /// </summary>
    /// <param name="process">The process.</param>
    public bool IsUsedBy(GpuProcess process) => Fraction is not null ? FractionUsers.Has(process, this)
        : Shared is not { Backend: SharingBackend.Mps } || !FractionUsers.IsServer(process);

    /// <summary><c>train-1 (3g.20gb at 4:4 of GPU-... (MIG-...))</c></summary>
    public override string ToString() => $"{Id} ({string.Join("; ", Instances)})";
}

/// <summary>Why a lease ends.</summary>
public enum LeaseEndReason
{
    /// <summary>It was released.</summary>
    Released,

    /// <summary>Its process has ended.</summary>
    ProcessEnded,

    /// <summary>It was not renewed in time.</summary>
    Expired,

    /// <summary>Another queue claimed its share back.</summary>
    Reclaimed,

    /// <summary>A claim of higher priority in its queue needed the room.</summary>
    Preempted,

    /// <summary>The room is reserved for others.</summary>
    Reserved,

    /// <summary>Nobody used it, and its queue does not keep such leases.</summary>
    Idle,

    /// <summary>An instance is gone: somebody destroyed it, or the GPU was reset.</summary>
    Lost,

    /// <summary>The machine was booted again.</summary>
    Rebooted,

    /// <summary>It was made again elsewhere.</summary>
    Moved,
}

/// <summary>The end of a lease, or the announcement of it.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Message">Why, as a sentence.</param>
/// <param name="Since">When it ended or was told.</param>
public sealed record LeaseEnding(LeaseEndReason Reason, string Message, DateTimeOffset Since)
{
    /// <summary>For a lease that is taken back: the end of the notice, from when on its process is asked to end.</summary>
    public DateTimeOffset? GraceFrom { get; init; }

    /// <summary>For a lease that is taken back: when it must be gone.</summary>
    public DateTimeOffset? GoneBy { get; init; }

    /// <summary>Whether its process was asked to end.</summary>
    public bool WasAsked { get; init; }
}
