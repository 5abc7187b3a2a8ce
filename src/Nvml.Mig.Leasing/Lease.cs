namespace Nvml.Mig.Leasing;

/// <summary>A place for a GPU instance.</summary>
/// <param name="Gpu">The id of the GPU.</param>
/// <param name="ProfileId">The id of the GPU instance profile.</param>
/// <param name="Placement">The memory slices.</param>
public sealed record InstancePlace(string Gpu, int ProfileId, Placement Placement);

/// <summary>Instances that are promised to somebody.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Claim">What was asked for.</param>
/// <param name="Instances">Where the instances are.</param>
/// <param name="Since">When it was granted.</param>
public sealed record Lease(string Id, Claim Claim, IReadOnlyList<InstancePlace> Instances, DateTimeOffset Since)
{
    /// <summary>Whether it has ended or was told to go. Its places stay taken until it is gone, and it counts for nobody.</summary>
    public bool IsEnding { get; init; }

    /// <summary>The reservation that it uses; null if none.</summary>
    public string? Reservation { get; init; }
}

/// <summary>Room that is kept for an owner or for a queue, from one time to another.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Start">From when.</param>
/// <param name="End">Until when.</param>
public sealed record Reservation(string Id, DateTimeOffset Start, DateTimeOffset End)
{
    /// <summary>The owner it is for; one without a label stands for all of the user's claims. Null: for a queue.</summary>
    public LeaseOwner? Owner { get; init; }

    /// <summary>The queue it is for; null: for an owner.</summary>
    public string? Queue { get; init; }

    /// <summary>The profile of the instances that are kept; null where exact places are.</summary>
    public string? Profile { get; init; }

    /// <summary>How many instances of the profile are kept.</summary>
    public int Count { get; init; } = 1;

    /// <summary>The model that they are kept on; null: any.</summary>
    public string? Model { get; init; }

    /// <summary>The exact places that are kept.</summary>
    public IReadOnlyList<InstancePlace> Places { get; init; } = [];

    /// <summary>
    /// Where the last decision kept instances of the profile (<see cref="Scheduling.ReservationState.Kept"/>). They are kept there as
    /// long as
    /// possible, so that what could be kept once can be kept until the end.
    /// </summary>
    public IReadOnlyList<InstancePlace> Kept { get; init; } = [];

    /// <summary>Whether preemptible leases without a minimum runtime can have the room while its owner does not use it.</summary>
    public bool IsLendable { get; init; }
}
