
namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>A GPU of the pool. What leases hold on it they say themselves.</summary>
/// <param name="Id">The id, such as the UUID.</param>
/// <param name="Geometry">How it can be divided. GPUs that are alike should share one object.</param>
/// <param name="Model">What claims choose models by.</param>
public sealed record LeasableGpu(string Id, GpuGeometry Geometry, string Model)
{
    /// <summary>Instances of ours that nobody holds or uses. They are handed out again, or destroyed for others.</summary>
    public IReadOnlyList<CachedInstance> Cached { get; init; } = [];

    /// <summary>What is to be left alone: instances that are not ours, in use without a lease, or quarantined.</summary>
    public IReadOnlyList<InstancePlace> Untouchable { get; init; } = [];

    /// <summary>Whether anything new can be put on it: not on one that is lost, or without MIG.</summary>
    public bool IsUsable { get; init; } = true;
}

/// <summary>An instance that a lease has left behind.</summary>
/// <param name="Place">Where it is.</param>
/// <param name="LastUid">The user that had it last.</param>
public sealed record CachedInstance(InstancePlace Place, uint LastUid);

/// <summary>What holds for all queues.</summary>
public sealed record SchedulerOptions
{
    /// <summary>How long a claim waits before others are told to go or to move for it.</summary>
    public TimeSpan VictimDelay { get; init; } = TimeSpan.Zero;

    /// <summary>
    /// How long a claim waits before room is kept for it: what comes free there is not given to those that come after it. For one claim
    /// at a time, the first in the order. Without it small claims can pass a large one without end. Null: never.
    /// </summary>
    public TimeSpan? KeepRoomAfter { get; init; }

    /// <summary>How long before it must be gone a lease that is taken back is told.</summary>
    public TimeSpan Notice { get; init; } = TimeSpan.Zero;

    /// <summary>How long after the notice it may still take to go.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.Zero;

    /// <summary>
    /// Whether an instance can go to another user without being made anew. What the driver clears between two users of an instance is not
    /// documented.
    /// </summary>
    public bool ReuseAcrossUsers { get; init; }

    /// <summary>
    /// Whether GPUs with MIG disabled are leased too, whole, as the profile <c>gpu</c>. One that processes use without a lease is left
    /// alone.
    /// </summary>
    public bool WholeGpus { get; init; }
}

/// <summary>All that a decision depends on. The order within the lists does not matter.</summary>
/// <param name="Now">The time.</param>
/// <param name="Gpus">The pool.</param>
/// <param name="Queues">The queues.</param>
/// <param name="Claims">The claims that wait.</param>
/// <param name="Leases">The leases, those that are ending too.</param>
public sealed record SchedulerInput(
    DateTimeOffset Now,
    IReadOnlyList<LeasableGpu> Gpus,
    IReadOnlyList<LeaseQueue> Queues,
    IReadOnlyList<Claim> Claims,
    IReadOnlyList<Lease> Leases)
{
    /// <summary>
    /// The ids of waiting claims that leases were told to go or to move for, gone or not. They come first until they are granted: what
    /// others
    /// gave up for them is for nobody else.
    /// </summary>
    public IReadOnlyCollection<string> Promised { get; init; } = [];

    /// <summary>The reservations, of all times.</summary>
    public IReadOnlyList<Reservation> Reservations { get; init; } = [];
}
