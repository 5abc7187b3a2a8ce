using System.Globalization;

namespace Nvml.Mig.Applying;

/// <summary>A compute instance of a <see cref="GpuLayout"/>.</summary>
/// <param name="Id">The id within the GPU instance; null where any will do.</param>
/// <param name="ProfileId">The id of its profile; null where the number of slices decides.</param>
/// <param name="Profile">The name of its profile.</param>
/// <param name="SliceCount">Its compute slices.</param>
/// <param name="Placement">The compute slices of the GPU instance that it has; null where any will do.</param>
/// <param name="MigUuid">The UUID of its MIG device; null where it was not asked for.</param>
public sealed record ComputeInstanceLayout(int? Id, int? ProfileId, string Profile, int SliceCount, Placement? Placement, string? MigUuid)
{
    /// <summary><c>compute instance 0 (1c.3g.20gb at 0:1)</c></summary>
    public override string ToString()
    {
        // A place inside says something only where there is more than one: for a 1c.3g.20gb, not for the 3g.20gb that takes the whole.
        string name = Placement is { } at && Profile.Contains("c.", StringComparison.Ordinal) ? $"{Profile} at {at}" : Profile;
        return Id is { } id ? string.Create(CultureInfo.InvariantCulture, $"compute instance {id} ({name})") : $"compute instance {name}";
    }

    /// <summary>Whether another is what this one describes, as far as it does.</summary>
    internal bool Describes(ComputeInstanceLayout other) =>
        (ProfileId is { } profile ? other.ProfileId == profile : other.SliceCount == SliceCount)
        && (Placement is null || other.Placement == Placement);
}

/// <summary>A GPU instance of a <see cref="GpuLayout"/>.</summary>
/// <param name="Id">The id, which follows from the placement; null for one that is not there yet.</param>
/// <param name="ProfileId">The id of its profile.</param>
/// <param name="Profile">The name of its profile.</param>
/// <param name="Placement">The memory slices of the GPU that it has.</param>
/// <param name="ComputeInstances">The compute instances in it, by id.</param>
public sealed record GpuInstanceLayout(
    int? Id, int ProfileId, string Profile, Placement Placement, IReadOnlyList<ComputeInstanceLayout> ComputeInstances)
{
    /// <summary><c>GPU instance 2 (3g.20gb at 4:4)</c></summary>
    public override string ToString() =>
        Id is { } id ? string.Create(CultureInfo.InvariantCulture, $"GPU instance {id} ({Profile} at {Placement})") : $"GPU instance {Profile} at {Placement}";

    /// <summary>Whether the two say the same, of the compute instances too.</summary>
    /// <param name="other">Another one.</param>
    public bool Equals(GpuInstanceLayout? other) =>
        other is not null
        && Id == other.Id && ProfileId == other.ProfileId && Profile == other.Profile && Placement == other.Placement
        && ComputeInstances.SequenceEqual(other.ComputeInstances);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, ProfileId, Placement, ComputeInstances.Count);

    internal bool IsAt(GpuInstanceLayout other) => ProfileId == other.ProfileId && Placement == other.Placement;
}

/// <summary>How a GPU is divided, or is to be: what is read from it, recorded before a change, and compared after it.</summary>
/// <param name="Mode">Its MIG mode.</param>
/// <param name="Instances">Its GPU instances, by start.</param>
public sealed record GpuLayout(MigMode Mode, IReadOnlyList<GpuInstanceLayout> Instances)
{
    /// <summary>Whether the two say the same of everything. For whether one is what the other wants, see <see cref="GetDifferencesFrom"/>.</summary>
    /// <param name="other">Another one.</param>
    public bool Equals(GpuLayout? other) => other is not null && Mode == other.Mode && Instances.SequenceEqual(other.Instances);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mode, Instances.Count, Instances.Count > 0 ? Instances[0] : null);

    /// <summary>In what this layout differs from one that is wanted, each as a sentence; none if it does not.</summary>
    /// <param name="wanted">The wanted one. What it leaves open can be anything.</param>
    public IReadOnlyList<string> GetDifferencesFrom(GpuLayout wanted)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        List<string> differences = [];
        if (Mode != wanted.Mode)
            differences.Add($"MIG mode is {Mode}, not {wanted.Mode}.");
        foreach (GpuInstanceLayout missing in wanted.Instances.Where(w => !Instances.Any(w.IsAt)))
            differences.Add($"{missing} is missing.");
        foreach (GpuInstanceLayout there in Instances)
        {
            if (wanted.Instances.FirstOrDefault(there.IsAt) is { } same)
                AddDifferencesInside(differences, there, same);
            else
                differences.Add($"{there} is there and should not be.");
        }

        return differences;
    }

    private static void AddDifferencesInside(List<string> differences, GpuInstanceLayout there, GpuInstanceLayout wanted)
    {
        (IReadOnlyList<(ComputeInstanceLayout There, ComputeInstanceLayout Wanted)> same, IReadOnlyList<ComputeInstanceLayout> extra, IReadOnlyList<ComputeInstanceLayout> missing) =
            Match(there.ComputeInstances, wanted.ComputeInstances);
        foreach (ComputeInstanceLayout absent in missing)
            differences.Add($"{Capital(absent)} of {there} is missing.");
        foreach (ComputeInstanceLayout odd in extra)
            differences.Add($"{Capital(odd)} of {there} is there and should not be.");
        foreach ((ComputeInstanceLayout present, ComputeInstanceLayout meant) in same)
        {
            if (meant.Id is { } id && present.Id != id)
                differences.Add($"{Capital(present)} of {there} should have the id {id}.");
            if (meant.MigUuid is { } uuid && present.MigUuid is { } other && other != uuid)
                differences.Add($"{Capital(present)} of {there} is MIG device {other}, not {uuid}.");
        }
    }

    /// <summary>Pairs the compute instances of a GPU instance with those that are wanted there, the most exactly described first.</summary>
    internal static (IReadOnlyList<(ComputeInstanceLayout There, ComputeInstanceLayout Wanted)> Same, IReadOnlyList<ComputeInstanceLayout> Extra, IReadOnlyList<ComputeInstanceLayout> Missing) Match(
        IReadOnlyList<ComputeInstanceLayout> there, IReadOnlyList<ComputeInstanceLayout> wanted)
    {
        List<ComputeInstanceLayout> left = [.. there];
        List<(ComputeInstanceLayout, ComputeInstanceLayout)> same = [];
        List<ComputeInstanceLayout> missing = [];
        foreach (ComputeInstanceLayout one in wanted.OrderBy(w => (w.Placement is null ? 1 : 0) + (w.ProfileId is null ? 1 : 0)))
        {
            if (left.Find(one.Describes) is { } found)
            {
                left.Remove(found);
                same.Add((found, one));
            }
            else
            {
                missing.Add(one);
            }
        }

        return (same, left, missing);
    }

    private static string Capital(ComputeInstanceLayout instance) => "C" + instance.ToString()[1..];
}
