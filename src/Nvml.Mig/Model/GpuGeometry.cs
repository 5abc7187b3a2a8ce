using System.Globalization;

namespace Nvml.Mig;

/// <summary>
/// How a kind of GPU can be divided: its profiles and where their instances can stand, as NVML reports them. GPUs of the same kind have
/// equal geometries.
/// </summary>
/// <remarks>An object can be used by any number of threads.</remarks>
public sealed class GpuGeometry : IEquatable<GpuGeometry>
{
    /// <summary>Describes a kind of GPU.</summary>
    /// <param name="profiles">Its profiles.</param>
    /// <exception cref="PlanningException">Two profiles have the same id.</exception>
    public GpuGeometry(IEnumerable<ProfileGeometry> profiles)
    {
        ArgumentNullException.ThrowIfNull(profiles);
        // Small ones first, as everywhere: the order in which equal choices are made must not depend on how the caller asked NVML.
        Profiles = [.. profiles
            .OrderBy(p => p.Profile.SliceCount)
            .ThenBy(p => p.Profile.MemoryMiB)
            .ThenBy(p => p.Profile.Number)
            .ThenBy(p => p.Profile.Id)];
        if (Profiles.GroupBy(p => p.Profile.Id).FirstOrDefault(same => same.Count() > 1) is { } twice)
        {
            throw new PlanningException(
                PlanningError.InvalidGeometry,
                twice.First().Profile.Name,
                $"Two profiles have the id {twice.Key}: {string.Join(", ", twice.Select(p => p.Profile))}.");
        }

        MemorySliceCount = Profiles.SelectMany(p => p.Placements).Select(p => p.End).DefaultIfEmpty().Max();
    }

    /// <summary>The geometry of a GPU that has no profiles, or whose profiles were not read.</summary>
    public static GpuGeometry Empty { get; } = new([]);

    /// <summary>The profiles, small ones first.</summary>
    public IReadOnlyList<ProfileGeometry> Profiles { get; }

    /// <summary>The memory slices of the GPU: as far as any placement reaches.</summary>
    public int MemorySliceCount { get; }

    /// <summary>Finds the profile that an operator means.</summary>
    /// <param name="nameOrId">A name (<c>3g.20gb</c>) or an id (<c>9</c>).</param>
    /// <exception cref="PlanningException">The GPU has no such profile, or several of that name; the message lists them.</exception>
    public ProfileGeometry GetProfile(string nameOrId)
    {
        ArgumentNullException.ThrowIfNull(nameOrId);
        IReadOnlyList<GpuInstanceProfile> found = ProfileMatch.Find(Profiles.Select(p => p.Profile), nameOrId);
        return found.Count switch
        {
            1 => Profiles.First(p => ReferenceEquals(p.Profile, found[0])),
            0 => throw new PlanningException(
                PlanningError.UnknownProfile,
                nameOrId,
                $"The GPU has no GPU instance profile '{nameOrId}'. It has: "
                    + $"{string.Join(", ", Profiles.Select(p => $"{p.Profile.Name} ({p.Profile.Id})"))}."),
            _ => throw new PlanningException(
                PlanningError.AmbiguousProfile,
                nameOrId,
                $"The GPU has {found.Count} GPU instance profiles '{nameOrId}'. Choose by id: "
                + $"{string.Join(", ", found.Select(p => $"{p.Id} ({p.Name}, {p.MemoryMiB} MiB, {p.MultiprocessorCount} SM)"))}."),
        };
    }

    /// <summary>Whether the two describe the same kind of GPU.</summary>
    /// <param name="other">Another geometry.</param>
    public bool Equals(GpuGeometry? other) =>
        ReferenceEquals(this, other) || (other is not null && Profiles.SequenceEqual(other.Profiles));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as GpuGeometry);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Profiles.Count, Profiles.Count > 0 ? Profiles[^1].GetHashCode() : 0);

    /// <summary>The text that an operator writes for a profile: its name, or its id where the name is not enough.</summary>
    internal string NameOf(GpuInstanceProfile profile) =>
        ProfileMatch.Find(Profiles.Select(p => p.Profile), profile.Name).Count <= 1
            ? profile.Name
            : profile.Id.ToString(CultureInfo.InvariantCulture);
}
