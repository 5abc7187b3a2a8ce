namespace Nvml.Mig;

/// <summary>The parts of a snapshot beside the MIG mode and the instances with their UUIDs.</summary>
[Flags]
public enum SnapshotParts
{
    /// <summary>Nothing more: enough to show the instances.</summary>
    Instances = 0,

    /// <summary>How the GPU can be divided.</summary>
    Geometry = 1,

    /// <summary>The processes that use the instances.</summary>
    Users = 2,

    /// <summary>All of it: enough to plan from.</summary>
    All = Geometry | Users,
}

/// <summary>The result of reading one of several GPUs.</summary>
/// <param name="Gpu">The GPU.</param>
/// <param name="Snapshot">The snapshot; null if the GPU could not be read.</param>
/// <param name="Error">Why it could not be read: a <see cref="NvmlException"/> or a <see cref="PlanningException"/>.</param>
public sealed record GpuSnapshotResult(GpuDevice Gpu, GpuSnapshot? Snapshot, Exception? Error)
{
    /// <summary>The snapshot.</summary>
    /// <exception cref="NvmlException">The GPU could not be read.</exception>
    /// <exception cref="PlanningException">Its description of itself makes no sense.</exception>
    public GpuSnapshot GetSnapshotOrThrow()
    {
        if (Error is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(Error);
        return Snapshot!;
    }
}

public sealed partial class GpuDevice
{
    /// <summary>
    /// Reads the instances of the GPU, how it can be divided, and which instances processes use. Needs root or a MIG capability. NVML does
    /// not show clients such as DCGM.
    /// </summary>
    /// <param name="parts">The parts to read beside the mode and the instances; by default all that the planner needs.</param>
    /// <returns>The snapshot; without instances if MIG mode is disabled.</returns>
    /// <exception cref="NvmlNotSupportedException">The GPU has no MIG mode.</exception>
    /// <exception cref="NvmlNoPermissionException">The caller may not see instances or processes.</exception>
    /// <exception cref="PlanningException">Its description of itself makes no sense.</exception>
    public GpuSnapshot ReadSnapshot(SnapshotParts parts = SnapshotParts.All)
    {
        LiveLayout live = LiveLayout.Read(this, parts);
        return live.ToSnapshot(new GpuGeometry(live.Profiles));
    }

    /// <summary>
    /// Reads several GPUs, one after the other. NVML shows what goes inside GPU instances only where there is one: GPUs that are alike
    /// otherwise learn it from each other, and share one geometry.
    /// </summary>
    /// <param name="gpus">The GPUs.</param>
    /// <param name="parts">As for <see cref="ReadSnapshot"/>.</param>
    /// <returns>The result of each GPU, in the same order. A GPU that cannot be read keeps no other from being read.</returns>
    public static IReadOnlyList<GpuSnapshotResult> ReadSnapshots(IEnumerable<GpuDevice> gpus, SnapshotParts parts = SnapshotParts.All)
    {
        ArgumentNullException.ThrowIfNull(gpus);
        List<(GpuDevice Gpu, LiveLayout? Live, Exception? Error)> read = [];
        foreach (GpuDevice gpu in gpus)
        {
            try
            {
                read.Add((gpu, LiveLayout.Read(gpu, parts), null));
            }
            catch (NvmlException e)
            {
                read.Add((gpu, null, e));
            }
        }

        GpuGeometry?[] geometries = ShareGeometries([.. read.Select(r => r.Live?.Profiles ?? [])], out PlanningException?[] errors);
        return [.. read.Select((r, i) => r.Live is null || errors[i] is not null
            ? new GpuSnapshotResult(r.Gpu, null, r.Error ?? errors[i])
            : new GpuSnapshotResult(r.Gpu, r.Live.ToSnapshot(geometries[i]!), null))];
    }

    /// <summary>
    /// Reads how the GPU can be divided, with as much of what goes inside GPU instances as the instances that are there show. Works with
    /// MIG disabled too.
    /// </summary>
    /// <exception cref="PlanningException">Its description of itself makes no sense.</exception>
    public GpuGeometry ReadGeometry() => new(LiveLayout.ReadProfiles(this, GetMigMode().Current ? GetGpuInstances() : []));

    /// <summary>The geometries of several GPUs; null, and an error, where the profiles of one make no sense.</summary>
    internal static GpuGeometry?[] ShareGeometries(IReadOnlyList<IReadOnlyList<ProfileGeometry>> profiles, out PlanningException?[] errors)
    {
        ProfileGeometry[] known = [.. profiles.SelectMany(p => p).Where(p => p.ComputeProfiles is not null)];
        List<GpuGeometry> geometries = [];
        GpuGeometry?[] shared = new GpuGeometry?[profiles.Count];
        errors = new PlanningException?[profiles.Count];
        for (int i = 0; i < shared.Length; i++)
        {
            try
            {
                GpuGeometry geometry = new(profiles[i].Select(p =>
                    p.ComputeProfiles is null ? known.FirstOrDefault(k => k with { ComputeProfiles = null } == p) ?? p : p));
                shared[i] = geometries.Find(geometry.Equals);
                if (shared[i] is null)
                    geometries.Add(shared[i] = geometry);
            }
            catch (PlanningException e)
            {
                errors[i] = e;
            }
        }

        return shared;
    }
}
