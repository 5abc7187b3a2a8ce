namespace Nvml.Mig.Leasing;

/// <summary>What can happen to a lease.</summary>
public enum LeaseEventKind
{
    /// <summary>It was granted.</summary>
    Granted,

    /// <summary>It was told to go, or has ended while processes still use its instances.</summary>
    Reclaiming,

    /// <summary>It has ended, and its instances are free.</summary>
    Ended,

    /// <summary>An instance of it is gone.</summary>
    Lost,

    /// <summary>An instance of it has a fault.</summary>
    Quarantined,

    /// <summary>Instances of it were made again elsewhere.</summary>
    Moved,

    /// <summary>The programs of a fraction have failed, with the MPS daemon of its device. The lease stays.</summary>
    Interrupted,
}

/// <summary>Something that happened to a lease.</summary>
/// <param name="Sequence">A number that only grows.</param>
/// <param name="Time">When.</param>
/// <param name="Kind">What.</param>
/// <param name="Lease">The lease's name.</param>
/// <param name="Generation">The lease's generation.</param>
/// <param name="Reason">Why it ends; null if it does not.</param>
/// <param name="Message">What happened, as a sentence.</param>
public sealed record LeaseEvent(
    long Sequence, DateTimeOffset Time, LeaseEventKind Kind, string Lease, long Generation, LeaseEndReason? Reason, string Message)
{
    /// <summary>The lease's queue; null in events of older versions.</summary>
    public string? Queue { get; init; }

    /// <summary>For <see cref="LeaseEventKind.Granted"/>: where its instances come from.</summary>
    public GrantOrigin? Origin { get; init; }

    /// <summary>For <see cref="LeaseEventKind.Granted"/>: how long the claim has waited.</summary>
    public TimeSpan? Waited { get; init; }
}

/// <summary>Where the instances of a lease come from. Of several instances the latest of these counts.</summary>
public enum GrantOrigin
{
    /// <summary>They were there and cached: the GPU was not changed.</summary>
    Reused,

    /// <summary>The lease took over an instance that leasing had not created.</summary>
    Adopted,

    /// <summary>They were created.</summary>
    Created,

    /// <summary>They were created after others, which were cached, were destroyed for them.</summary>
    Evicted,

    /// <summary>A device that is shared had room for a fraction more.</summary>
    Shared,
}
