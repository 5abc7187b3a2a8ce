using System.Globalization;
using System.Text.Json.Serialization;

namespace Nvml.Mig;

/// <summary>A compute instance of a <see cref="GpuInstanceSnapshot"/>: one that was read, or one that is planned.</summary>
/// <param name="Profile">
/// Its profile; null for one that is planned in a GPU instance of a profile of which NVML has not shown yet what goes inside: then the one
/// with <see cref="SliceCount"/> slices.
/// </param>
/// <param name="Placement">
/// The compute slices of its GPU instance that it has; null for one that is planned where the driver chooses.
/// </param>
public sealed record ComputeInstanceSnapshot(ComputeInstanceProfile? Profile, Placement? Placement)
{
    /// <summary>The id within the GPU instance; null for one that is planned.</summary>
    public int? Id { get; init; }

    /// <summary>The name of its profile, <c>1c.3g.20gb</c>, also where the profile is not known yet.</summary>
    public string Name { get; init; } = Profile?.Name ?? "";

    /// <summary>Its compute slices.</summary>
    public int SliceCount { get; init; } = Profile?.SliceCount ?? 0;

    /// <summary>The UUID of its MIG device; null if that is not known, as for one that is planned.</summary>
    public string? MigUuid { get; init; }

    /// <summary>Whether a process uses it, known by name or not. The planner keeps it as it is.</summary>
    [JsonIgnore]
    public bool IsInUse { get; init; }

    /// <summary>The processes that use it, as far as they are known.</summary>
    [JsonIgnore]
    public IReadOnlyList<GpuProcess> Users { get; init; } = [];

    /// <summary>Compares values, lists included.</summary>
    /// <param name="other">Another one.</param>
    public bool Equals(ComputeInstanceSnapshot? other) =>
        other is not null
        && (Id, Profile, Placement, Name, SliceCount, MigUuid, IsInUse)
            == (other.Id, other.Profile, other.Placement, other.Name, other.SliceCount, other.MigUuid, other.IsInUse)
        && Users.SequenceEqual(other.Users);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, Profile, Placement, MigUuid);

    /// <summary><c>compute instance 0 (1c.3g.20gb) at 0:1</c></summary>
    public override string ToString()
    {
        string named = Id is { } id
            ? string.Create(CultureInfo.InvariantCulture, $"compute instance {id} ({Name})")
            : $"compute instance {Name}";
        // A place inside says something only where there is more than one: for a 1c.3g.20gb, not for the 3g.20gb that takes the whole.
        return Placement is { } at && Name.Contains("c.", StringComparison.Ordinal) ? $"{named} at {at}" : named;
    }

    /// <summary>Whether another is what this one describes, as far as it does.</summary>
    internal bool Describes(ComputeInstanceSnapshot other) =>
        (Profile is { } profile ? other.Profile?.Id == profile.Id : other.SliceCount == SliceCount)
        && (Placement is null || other.Placement == Placement);
}
