namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>What is to be done, and why not more.</summary>
/// <param name="Grants">Claims that get their instances now.</param>
/// <param name="Victims">Leases to be told to go.</param>
/// <param name="Moves">Instances of leases to be made again elsewhere.</param>
/// <param name="Waiting">Claims that wait, in their order.</param>
/// <param name="Shares">Where each queue stands, before these decisions.</param>
/// <param name="Reservations">What is kept for each reservation that has begun or will.</param>
/// <param name="NextTime">When time alone can change these decisions; null: never.</param>
public sealed record Decisions(
    IReadOnlyList<Grant> Grants,
    IReadOnlyList<Victim> Victims,
    IReadOnlyList<Move> Moves,
    IReadOnlyList<Waiting> Waiting,
    IReadOnlyList<QueueShare> Shares,
    IReadOnlyList<ReservationState> Reservations,
    DateTimeOffset? NextTime);

/// <summary>A claim that gets its instances.</summary>
/// <param name="Claim">The claim.</param>
/// <param name="Instances">Its instances, in the order of its requests.</param>
/// <param name="Reservation">The reservation that it uses; null if none.</param>
public sealed record Grant(Claim Claim, IReadOnlyList<GrantedInstance> Instances, string? Reservation)
{
    /// <summary><c>train-1: 3g.20gb at 4:4 of GPU-0, created</c></summary>
    public override string ToString() =>
        $"{Claim.Id}: {string.Join("; ", Instances)}{(Reservation is null ? "" : $"; reserved by {Reservation}")}";
}

/// <summary>An instance of a grant.</summary>
/// <param name="Place">Where it is or will be.</param>
/// <param name="Profile">The name of its profile.</param>
/// <param name="IsCached">Whether it is there already and is handed out again. Otherwise it is to be created.</param>
/// <param name="Evicted">Cached instances to be destroyed before.</param>
public sealed record GrantedInstance(InstancePlace Place, string Profile, bool IsCached, IReadOnlyList<CachedInstance> Evicted)
{
    /// <summary><c>3g.20gb at 4:4 of GPU-0, created</c></summary>
    public override string ToString() =>
        $"{Profile} at {Place.Placement} of {Place.Gpu}, {(IsCached ? "from the cache" : "created")}"
        + (Evicted.Count == 0 ? "" : $" after destroying the cached at {string.Join(", ", Evicted.Select(e => e.Place.Placement))}");
}

/// <summary>Why a lease is taken back.</summary>
public enum VictimReason
{
    /// <summary>Another queue claims its share back.</summary>
    Reclaim,

    /// <summary>A claim of higher priority in the same queue.</summary>
    Preempt,

    /// <summary>The room is reserved for others.</summary>
    Reservation,
}

/// <summary>A lease to be told to go.</summary>
/// <param name="Lease">The lease.</param>
/// <param name="Reason">Why.</param>
/// <param name="For">The claim that its room is for, or the reservation where no claim asks for it yet.</param>
/// <param name="GraceFrom">The end of the notice.</param>
/// <param name="GoneBy">When it must be gone.</param>
/// <param name="Message">Why, as a sentence.</param>
public sealed record Victim(
    Lease Lease, VictimReason Reason, string For, DateTimeOffset GraceFrom, DateTimeOffset GoneBy, string Message);

/// <summary>
/// An instance of a lease to be made again elsewhere: the lease has the new place from now on, and the old one stays taken until its
/// processes have gone.
/// </summary>
/// <param name="Lease">The lease, which has declared itself restartable.</param>
/// <param name="From">The old place.</param>
/// <param name="To">The new place.</param>
/// <param name="For">The claim that the room is for.</param>
/// <param name="GraceFrom">The end of the notice.</param>
/// <param name="GoneBy">When the old place must be free.</param>
/// <param name="Message">Why, as a sentence.</param>
public sealed record Move(
    Lease Lease, InstancePlace From, GrantedInstance To, string For, DateTimeOffset GraceFrom, DateTimeOffset GoneBy, string Message);

/// <summary>Why a claim waits.</summary>
public enum WaitReason
{
    /// <summary>No GPU of the pool that the claim allows has such a profile.</summary>
    NoSuchProfile,

    /// <summary>A queue would have more than its limit.</summary>
    Limit,

    /// <summary>It is not preemptible, and a queue would have more than its quota of such leases.</summary>
    Quota,

    /// <summary>What is free is kept for queues that do not lend it.</summary>
    LendingLimit,

    /// <summary>There is no place, and none can be made by the rules.</summary>
    NoPlace,

    /// <summary>There is no place, and others will be told to go for it only after a delay or their minimum runtime.</summary>
    Protection,

    /// <summary>Others have been told to go or to move for it, or are going by themselves.</summary>
    Departure,

    /// <summary>The device cannot be shared as the claim wants it. It is not waited for.</summary>
    CannotShare,
}

/// <summary>A claim that waits.</summary>
/// <param name="Claim">The claim.</param>
/// <param name="Position">Its position among those that wait, from 1.</param>
/// <param name="Reason">Why it waits.</param>
/// <param name="Message">Why, as a sentence.</param>
public sealed record Waiting(Claim Claim, int Position, WaitReason Reason, string Message);

/// <summary>Where a queue stands.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Allocated">What its leases have, and those of its children.</param>
/// <param name="NonPreemptible">What of that cannot be taken back.</param>
/// <param name="Requested">What is allocated and what its claims wait for.</param>
/// <param name="FairShare">Its fair share.</param>
public sealed record QueueShare(LeaseQueue Queue, Slices Allocated, Slices NonPreemptible, Slices Requested, Slices FairShare);

/// <summary>What is kept for a reservation.</summary>
/// <param name="Reservation">The reservation.</param>
/// <param name="Kept">The places, used ones not among them.</param>
/// <param name="Used">How many instances its leases have.</param>
/// <param name="Missing">How many instances there is no room for.</param>
public sealed record ReservationState(Reservation Reservation, IReadOnlyList<InstancePlace> Kept, int Used, int Missing);
