using System.Globalization;
using System.Text.Json.Serialization;

namespace Nvml.Mig;

/// <summary>A GPU instance of a <see cref="GpuSnapshot"/>: one that was read, or one that is planned.</summary>
/// <param name="Profile">Its profile.</param>
/// <param name="Placement">The memory slices of the GPU that it has.</param>
public sealed record GpuInstanceSnapshot(GpuInstanceProfile Profile, Placement Placement)
{
    /// <summary>The id, which follows from the placement; null for one that is planned.</summary>
    public int? Id { get; init; }

    /// <summary>The compute instances in it.</summary>
    public IReadOnlyList<ComputeInstanceSnapshot> ComputeInstances { get; init; } = [];

    /// <summary>
    /// Whether processes use it beside the users of its compute instances. The planner then keeps it as it is, with all its compute
    /// instances: it is not known which of them are used.
    /// </summary>
    [JsonIgnore]
    public bool IsInUse { get; init; }

    /// <summary>Whether it or a compute instance in it is used.</summary>
    public bool IsAnythingInUse => IsInUse || ComputeInstances.Any(c => c.IsInUse);

    /// <summary>The processes that use its compute instances, as far as they are known.</summary>
    [JsonIgnore]
    public IEnumerable<GpuProcess> Users => ComputeInstances.SelectMany(c => c.Users);

    /// <inheritdoc cref="ComputeInstanceSnapshot.Equals(ComputeInstanceSnapshot?)"/>
    public bool Equals(GpuInstanceSnapshot? other) =>
        other is not null
        && (Id, Profile, Placement, IsInUse) == (other.Id, other.Profile, other.Placement, other.IsInUse)
        && ComputeInstances.SequenceEqual(other.ComputeInstances);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, Profile, Placement, ComputeInstances.Count);

    /// <summary><c>GPU instance 2 (3g.20gb at 4:4)</c></summary>
    public override string ToString() =>
        Id is { } id
            ? string.Create(CultureInfo.InvariantCulture, $"GPU instance {id} ({Profile.Name} at {Placement})")
            : $"GPU instance {Profile.Name} at {Placement}";

    /// <summary>Whether the two are of the same profile in the same place, whatever is inside.</summary>
    internal bool IsAt(GpuInstanceSnapshot other) => Profile.Id == other.Profile.Id && Placement == other.Placement;
}
