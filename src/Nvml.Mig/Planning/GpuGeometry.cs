using System.Globalization;

namespace Nvml.Mig.Planning;

/// <summary>
/// How a kind of GPU can be divided: its profiles, where their instances can stand, and how much of everything there is. Made only from
/// what NVML says, so that GPUs nobody has seen yet work too. GPUs of the same kind have equal geometries.
/// </summary>
/// <remarks>
/// <para>
/// Instances may stand together if they share no memory slice, no profile is there more often than its limit, and the compute slices and
/// engines of all together are no more than the GPU has. NVML does not say how many engines a GPU has. It has at least as many as any
/// profile takes when it is there as often as its limit allows, and the profile that takes the whole GPU shows them all: the largest of
/// these numbers is taken as what there is.
/// </para>
/// <para>An object can be used by any number of threads.</para>
/// </remarks>
public sealed class GpuGeometry : IEquatable<GpuGeometry>
{
    /// <summary>Compute slices, and the five kinds of engines.</summary>
    internal const int ResourceCount = 6;

    internal static readonly string[] ResourceNames =
        ["compute slices", "copy engines", "decoders", "encoders", "JPEG engines", "optical flow engines"];

    private readonly Lazy<FitTable?> _fits;
    private readonly ComputeContent[] _wholes;

    /// <summary>Describes a kind of GPU.</summary>
    /// <param name="profiles">What it offers.</param>
    /// <exception cref="PlanningException">
    /// Two profiles have the same id, or a placement is impossible or beyond the 32 units that the planner can divide.
    /// </exception>
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
                PlanningError.InvalidGeometry, twice.First().Profile.Name, $"Two profiles have the id {twice.Key}: {string.Join(", ", twice.Select(p => p.Profile))}.");
        }

        Memory = new Row([.. Profiles.Select(p => p.Placements)], "the memory of a GPU");
        Compute = [.. Profiles.Select(p => p.ComputeProfiles is null ? null : new ComputeGeometry(p))];
        MemorySliceCount = Profiles.SelectMany(p => p.Placements).Select(p => p.End).DefaultIfEmpty().Max();
        Needs = new int[Profiles.Count * ResourceCount];
        Resources = new int[ResourceCount];
        for (int kind = 0; kind < Profiles.Count; kind++)
        {
            GpuInstanceProfile p = Profiles[kind].Profile;
            int[] needs = [p.SliceCount, p.CopyEngineCount, p.DecoderCount, p.EncoderCount, p.JpegCount, p.OfaCount];
            needs.CopyTo(Needs, kind * ResourceCount);
            // A limit above what there are places for says nothing of what can be there at the same time.
            int most = Math.Min(p.MaxInstances, Memory.MostTogether[Memory.ShapeOf[kind]]);
            for (int resource = 0; resource < ResourceCount; resource++)
                Resources[resource] = Math.Max(Resources[resource], needs[resource] * Math.Max(1, most));
        }

        _wholes = [.. Enumerable.Range(0, Profiles.Count).Select(kind => ComputeContent.Whole(this, kind))];
        _fits = new Lazy<FitTable?>(() => FitTable.TryBuild(this));
    }

    /// <summary>The profiles, small ones first.</summary>
    public IReadOnlyList<ProfileGeometry> Profiles { get; }

    /// <summary>The memory slices of the GPU: as far as any placement reaches.</summary>
    public int MemorySliceCount { get; }

    internal Row Memory { get; }

    /// <summary>What is inside instances of each profile; null where it is not known.</summary>
    internal ComputeGeometry?[] Compute { get; }

    /// <summary>What one instance of each profile takes of each resource.</summary>
    internal int[] Needs { get; }

    /// <summary>What the GPU has of each resource.</summary>
    internal int[] Resources { get; }

    /// <summary>Null for GPUs with so many units and profiles that a table would be too large.</summary>
    internal FitTable? Fits => _fits.Value;

    /// <summary>The profile that an operator means.</summary>
    /// <param name="nameOrId">A name (<c>3g.20gb</c>) or an id (<c>9</c>).</param>
    /// <exception cref="PlanningException">The GPU has no such profile, or several of that name; the message lists them.</exception>
    public ProfileGeometry GetProfile(string nameOrId) => Profiles[IndexOf(nameOrId)];

    /// <summary>Whether the two describe the same kind of GPU.</summary>
    /// <param name="other">Another geometry.</param>
    public bool Equals(GpuGeometry? other) =>
        ReferenceEquals(this, other) || (other is not null && Profiles.SequenceEqual(other.Profiles));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as GpuGeometry);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Profiles.Count, Profiles.Count > 0 ? Profiles[^1].GetHashCode() : 0);

    /// <summary>What is inside GPU instances of a profile if nobody says otherwise: the compute instance that takes the whole.</summary>
    internal ComputeContent Whole(int kind) => _wholes[kind];

    /// <summary>Whether beside this many instances of a profile, and with this much used by all, one more is allowed.</summary>
    internal bool AllowsOneMore(int kind, int count, ReadOnlySpan<int> used)
    {
        if (count >= Profiles[kind].Profile.MaxInstances)
            return false;
        for (int resource = 0; resource < ResourceCount; resource++)
        {
            int needs = Needs[(kind * ResourceCount) + resource];
            if (needs > 0 && used[resource] + needs > Resources[resource])
                return false;
        }

        return true;
    }

    /// <summary>What an operator writes for a profile: its name, or its id where the name is not enough.</summary>
    internal string NameOf(GpuInstanceProfile profile) =>
        ProfileMatch.Find(Profiles.Select(p => p.Profile), profile.Name).Count == 1 ? profile.Name : profile.Id.ToString(CultureInfo.InvariantCulture);

    internal int IndexOf(string nameOrId)
    {
        ArgumentNullException.ThrowIfNull(nameOrId);
        IReadOnlyList<GpuInstanceProfile> found = ProfileMatch.Find(Profiles.Select(p => p.Profile), nameOrId);
        if (found.Count == 1)
            return IndexOf(found[0]);
        throw found.Count == 0
            ? new PlanningException(
                PlanningError.UnknownProfile,
                nameOrId,
                $"The GPU has no GPU instance profile '{nameOrId}'. It has: {string.Join(", ", Profiles.Select(p => $"{p.Profile.Name} ({p.Profile.Id})"))}.")
            : new PlanningException(
                PlanningError.AmbiguousProfile,
                nameOrId,
                $"The GPU has {found.Count} GPU instance profiles '{nameOrId}'. Choose by id: {string.Join(", ", found.Select(p => $"{p.Id} ({p.Name}, {p.MemoryMiB} MiB, {p.MultiprocessorCount} SM)"))}.");
    }

    internal int IndexOf(GpuInstanceProfile profile)
    {
        for (int i = 0; i < Profiles.Count; i++)
        {
            if (ReferenceEquals(Profiles[i].Profile, profile))
                return i;
        }

        for (int i = 0; i < Profiles.Count; i++)
        {
            if (Profiles[i].Profile == profile)
                return i;
        }

        throw new PlanningException(
            PlanningError.UnknownProfile, profile.Name, $"{profile.Name} (profile {profile.Id}) is not a profile of this GPU: take profiles from its geometry.");
    }
}
