namespace Nvml.Mig;

/// <summary>A GPU instance profile, where its instances can stand, and what can stand inside them.</summary>
/// <param name="Profile">The profile as NVML describes it.</param>
/// <param name="Placements">Where instances can stand, in memory slices.</param>
/// <param name="ComputeProfiles">
/// The compute instance profiles inside; null if they are not known: NVML shows them only inside an instance. Compute instances are
/// then planned by their number of slices, and the driver chooses the places.
/// </param>
public sealed record ProfileGeometry(
    GpuInstanceProfile Profile, IReadOnlyList<Placement> Placements, IReadOnlyList<ComputeProfileGeometry>? ComputeProfiles = null)
{
    /// <summary>By what they hold, lists included.</summary>
    public bool Equals(ProfileGeometry? other) =>
        other is not null
        && Profile == other.Profile
        && Placements.SequenceEqual(other.Placements)
        && (ComputeProfiles is null) == (other.ComputeProfiles is null)
        && (ComputeProfiles is null || ComputeProfiles.SequenceEqual(other.ComputeProfiles!));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Profile, Placements.Count);
}

/// <summary>A compute instance profile, and where in a GPU instance its instances can stand.</summary>
/// <param name="Profile">The profile as NVML describes it.</param>
/// <param name="Placements">Where instances can stand, in compute slices of the GPU instance.</param>
public sealed record ComputeProfileGeometry(ComputeInstanceProfile Profile, IReadOnlyList<Placement> Placements)
{
    /// <summary>By what they hold, lists included.</summary>
    public bool Equals(ComputeProfileGeometry? other) =>
        other is not null && Profile == other.Profile && Placements.SequenceEqual(other.Placements);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Profile, Placements.Count);
}
