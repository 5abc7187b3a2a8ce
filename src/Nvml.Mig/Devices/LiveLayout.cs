namespace Nvml.Mig;

/// <summary>The instances of a GPU as objects to change them through: read once, and kept up to date with our changes.</summary>
internal sealed class LiveLayout
{
    private readonly List<(GpuInstance Instance, List<ComputeInstance> Inside)> _instances;
    private readonly IReadOnlyList<MigDevice> _migDevices;

    private LiveLayout(
        MigMode mode,
        List<(GpuInstance Instance, List<ComputeInstance> Inside)> instances,
        IReadOnlyList<ProfileGeometry> profiles,
        IReadOnlyList<MigDevice> migDevices,
        IReadOnlyList<GpuProcess> processes)
    {
        Mode = mode;
        _instances = instances;
        Profiles = profiles;
        _migDevices = migDevices;
        Processes = processes;
    }

    public MigMode Mode { get; private set; }

    /// <summary>The processes that use the GPU or its instances; none if they were not asked for.</summary>
    public IReadOnlyList<GpuProcess> Processes { get; }

    /// <summary>The profiles; none if they were not asked for.</summary>
    public IReadOnlyList<ProfileGeometry> Profiles { get; }

    public static LiveLayout Read(GpuDevice gpu, SnapshotParts parts)
    {
        MigMode mode = gpu.GetMigMode();
        List<(GpuInstance Instance, List<ComputeInstance> Inside)> instances = [];
        foreach (GpuInstance instance in mode.Current ? gpu.GetGpuInstances() : [])
        {
            try
            {
                instances.Add((instance, [.. instance.GetComputeInstances()]));
            }
            catch (NvmlNotFoundException)
            {
                // Another process destroyed it while we read: it does not exist any more.
            }
        }

        return new LiveLayout(
            mode,
            instances,
            parts.HasFlag(SnapshotParts.Geometry) ? ReadProfiles(gpu, [.. instances.Select(i => i.Instance)]) : [],
            instances.Exists(i => i.Inside.Count > 0) ? gpu.GetMigDevices() : [],
            parts.HasFlag(SnapshotParts.Users) ? gpu.GetProcesses() : []);
    }

    /// <summary>
    /// Profiles that the driver does not list, but that an instance has, count too. A driver that does not report the places inside (R470)
    /// is taken to have them wherever there is room: no place can be asked of it either, and what it does is compared afterwards.
    /// </summary>
    public static ProfileGeometry[] ReadProfiles(GpuDevice gpu, IReadOnlyList<GpuInstance> instances) =>
        [.. gpu.GetGpuInstanceProfiles().Union(instances.Select(i => i.Profile)).Select(profile => new ProfileGeometry(
            profile,
            gpu.GetPossiblePlacements(profile),
            instances.FirstOrDefault(i => i.Profile == profile) is { } example
                ? [.. example.GetComputeInstanceProfiles().Select(c => new ComputeProfileGeometry(c, PlacesInside(example, c)))]
                : null))];

    public GpuSnapshot ToSnapshot(GpuGeometry geometry)
    {
        ILookup<(int?, int?), GpuProcess> users = Processes.ToLookup(process => (process.GpuInstanceId, process.ComputeInstanceId));
        return new GpuSnapshot(Mode, [.. _instances.Select(i => ToSnapshot(i.Instance, i.Inside))]) { Geometry = geometry };

        GpuInstanceSnapshot ToSnapshot(GpuInstance instance, List<ComputeInstance> inside) => new(instance.Profile, instance.Placement)
        {
            Id = instance.Id,
            IsInUse = users.Contains((instance.Id, null)),
            ComputeInstances = [.. inside.OrderBy(c => c.Id).Select(c => Describe(c) with
            {
                IsInUse = users.Contains((instance.Id, c.Id)),
                Users = [.. users[(instance.Id, c.Id)]],
            })],
        };
    }

    public IEnumerable<GpuProcess> UsersOf(int? gpuInstance, int? computeInstance) =>
        Processes.Where(p => p.GpuInstanceId == gpuInstance
            && (computeInstance is null || p.ComputeInstanceId is null || p.ComputeInstanceId == computeInstance));

    public GpuInstance? Find(GpuInstanceSnapshot like) =>
        _instances.Find(i => i.Instance.Profile.Id == like.Profile.Id && i.Instance.Placement == like.Placement).Instance;

    /// <summary>Finds a compute instance by id, and only if it is what is described: ids are given anew.</summary>
    public ComputeInstance? Find(GpuInstanceSnapshot like, ComputeInstanceSnapshot inside) =>
        Find(like) is { } there ? InsideOf(there).Find(c => c.Id == inside.Id && inside.Describes(Describe(c))) : null;

    // Changes through these objects are kept up, so that the GPU need not be read again before the next step.
    public void Set(MigMode mode) => Mode = mode;

    public void Add(GpuInstance created) => _instances.Add((created, []));

    public void Add(ComputeInstance created) => InsideOf(created.GpuInstance).Add(created);

    public void Remove(GpuInstance destroyed) => _instances.RemoveAll(i => i.Instance == destroyed);

    public void Remove(ComputeInstance destroyed) => InsideOf(destroyed.GpuInstance).Remove(destroyed);

    private static IReadOnlyList<Placement> PlacesInside(GpuInstance instance, ComputeInstanceProfile profile) =>
        instance.Device.Has(NvmlFunction.GetComputeInstancePlacements)
            ? instance.GetPossiblePlacements(profile)
            : [.. Enumerable.Range(0, instance.Profile.SliceCount - profile.SliceCount + 1)
                .Select(start => new Placement(start, profile.SliceCount))];

    private List<ComputeInstance> InsideOf(GpuInstance instance) => _instances.Find(i => i.Instance == instance).Inside;

    private ComputeInstanceSnapshot Describe(ComputeInstance instance) => new(instance.Profile, instance.Placement)
    {
        Id = instance.Id,
        MigUuid = _migDevices.FirstOrDefault(d => d.GpuInstanceId == instance.GpuInstance.Id && d.ComputeInstanceId == instance.Id)?.Uuid,
    };
}
