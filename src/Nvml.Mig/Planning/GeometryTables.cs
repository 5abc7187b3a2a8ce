using System.Runtime.CompilerServices;

namespace Nvml.Mig.Planning;

/// <summary>The solver's tables of a geometry, computed once for each.</summary>
/// <remarks>
/// Instances can stand together if they share no memory slice, no profile is there more often than its limit, and the compute slices and
/// engines of all together are no more than the GPU has. NVML does not report how many engines a GPU has. It has at least as many as any
/// profile takes when it is there as often as its limit allows, and the profile that takes the whole GPU shows them all: the largest of
/// these numbers is taken as what there is.
/// </remarks>
internal sealed class GeometryTables
{
    /// <summary>Compute slices, and the five kinds of engines.</summary>
    public const int ResourceCount = 6;

    public static readonly string[] ResourceNames =
        ["compute slices", "copy engines", "decoders", "encoders", "JPEG engines", "optical flow engines"];

    private static readonly ConditionalWeakTable<GpuGeometry, GeometryTables> Known = [];

    private readonly Lazy<FitTable?> _fits;
    private readonly ComputeContent[] _wholes;

    private GeometryTables(GpuGeometry geometry)
    {
        Geometry = geometry;
        Memory = new Row([.. Profiles.Select(p => p.Placements)], "the memory of a GPU");
        Compute = [.. Profiles.Select(p => p.ComputeProfiles is null ? null : new ComputeTables(p))];
        Needs = new int[Profiles.Count * ResourceCount];
        Resources = new int[ResourceCount];
        for (int kind = 0; kind < Profiles.Count; kind++)
        {
            GpuInstanceProfile p = Profiles[kind].Profile;
            int[] needs = [p.SliceCount, p.CopyEngineCount, p.DecoderCount, p.EncoderCount, p.JpegCount, p.OfaCount];
            needs.CopyTo(Needs, kind * ResourceCount);
            // A limit above the number of places does not say what can be there at the same time.
            int most = Math.Min(p.MaxInstances, Memory.MostTogether[Memory.ShapeOf[kind]]);
            for (int resource = 0; resource < ResourceCount; resource++)
                Resources[resource] = Math.Max(Resources[resource], needs[resource] * Math.Max(1, most));
        }

        _wholes = [.. Enumerable.Range(0, Profiles.Count).Select(kind => ComputeContent.Whole(this, kind))];
        _fits = new Lazy<FitTable?>(() => FitTable.TryBuild(Memory));
    }

    public GpuGeometry Geometry { get; }

    public IReadOnlyList<ProfileGeometry> Profiles => Geometry.Profiles;

    public Row Memory { get; }

    /// <summary>The compute tables of each profile; null where they are not known.</summary>
    public ComputeTables?[] Compute { get; }

    /// <summary>The amount of each resource that one instance of each profile takes.</summary>
    public int[] Needs { get; }

    /// <summary>The amount of each resource that the GPU has.</summary>
    public int[] Resources { get; }

    /// <summary>Null for GPUs with so many units and profiles that a table would be too large.</summary>
    public FitTable? Fits => _fits.Value;

    /// <summary>The GPU without instances.</summary>
    public SnapshotTables Empty => field ??= SnapshotTables.Of(GpuSnapshot.Empty(Geometry));

    /// <summary>The tables of a geometry.</summary>
    /// <exception cref="PlanningException">A placement is impossible, or beyond the 32 units that the planner can divide.</exception>
    public static GeometryTables Of(GpuGeometry geometry) =>
        Known.TryGetValue(geometry, out GeometryTables? known) ? known : Known.GetValue(geometry, static g => new GeometryTables(g));

    /// <summary>
    /// The content of GPU instances of a profile if the spec says nothing else: the compute instance that takes the whole.
    /// </summary>
    public ComputeContent Whole(int kind) => _wholes[kind];

    /// <summary>Whether beside this many instances of a profile, and with this much used by all, one more is allowed.</summary>
    public bool AllowsOneMore(int kind, int count, ReadOnlySpan<int> used)
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

    public int IndexOf(string nameOrId) => IndexOf(Geometry.GetProfile(nameOrId).Profile);

    public int IndexOf(GpuInstanceProfile profile)
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
            PlanningError.UnknownProfile,
            profile.Name,
            $"{profile.Name} (profile {profile.Id}) is not a profile of this GPU: take profiles from its geometry.");
    }
}
