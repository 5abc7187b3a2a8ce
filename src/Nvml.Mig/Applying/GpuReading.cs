using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>What a GPU answered when it was read once, with the objects that changes are made through.</summary>
internal sealed class GpuReading
{
    private readonly List<(GpuInstance Instance, List<ComputeInstance> Inside)> _instances;
    private readonly ProfileGeometry[] _profiles;
    private readonly IReadOnlyList<MigDevice> _migDevices;

    private GpuReading(
        GpuDevice gpu,
        MigMode mode,
        List<(GpuInstance Instance, List<ComputeInstance> Inside)> instances,
        ProfileGeometry[] profiles,
        IReadOnlyList<MigDevice> migDevices,
        IReadOnlyList<GpuProcess> processes)
    {
        Gpu = gpu;
        Mode = mode;
        _instances = instances;
        _profiles = profiles;
        _migDevices = migDevices;
        Processes = processes;
    }

    public GpuDevice Gpu { get; }

    public MigMode Mode { get; private set; }

    /// <summary>Who uses the GPU or what stands on it; none if that was not asked.</summary>
    public IReadOnlyList<GpuProcess> Processes { get; }

    public IReadOnlyList<ProfileGeometry> Profiles => _profiles;

    /// <summary>Reads what a plan needs: the profiles, what stands there with its UUIDs, and who uses it.</summary>
    public static GpuReading Read(GpuDevice gpu) => Read(gpu, withProfiles: true, withProcesses: true);

    /// <summary>Reads what stands there with its UUIDs, and who uses it if asked: where a plan is there already.</summary>
    public static GpuReading ReadAgain(GpuDevice gpu, bool withProcesses) => Read(gpu, withProfiles: false, withProcesses);

    private static GpuReading Read(GpuDevice gpu, bool withProfiles, bool withProcesses)
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
                // Another process destroyed it while we read: it does not stand there any more.
            }
        }

        return new GpuReading(
            gpu,
            mode,
            instances,
            withProfiles ? ReadProfiles(gpu, [.. instances.Select(i => i.Instance)]) : [],
            instances.Exists(i => i.Inside.Count > 0) ? gpu.GetMigDevices() : [],
            withProcesses ? gpu.GetProcesses() : []);
    }

    /// <summary>
    /// Profiles that the driver does not list, but that an instance has, count too. A driver that does not tell the places inside (R470) is
    /// taken to have them wherever there is room: it cannot be told a place either, and what it makes of it is compared afterwards.
    /// </summary>
    public static ProfileGeometry[] ReadProfiles(GpuDevice gpu, IReadOnlyList<GpuInstance> instances) =>
        [.. gpu.GetGpuInstanceProfiles().Union(instances.Select(i => i.Profile)).Select(profile => new ProfileGeometry(
            profile,
            gpu.GetPossiblePlacements(profile),
            instances.FirstOrDefault(i => i.Profile == profile) is { } example
                ? [.. example.GetComputeInstanceProfiles().Select(c => new ComputeProfileGeometry(c, PlacesInside(example, c)))]
                : null))];

    private static IReadOnlyList<Placement> PlacesInside(GpuInstance instance, ComputeInstanceProfile profile) =>
        instance.Device.Has("nvmlGpuInstanceGetComputeInstancePossiblePlacements")
            ? instance.GetPossiblePlacements(profile)
            : [.. Enumerable.Range(0, instance.Profile.SliceCount - profile.SliceCount + 1).Select(start => new Placement(start, profile.SliceCount))];

    public GpuLayout ToLayout() =>
        new(Mode, [.. _instances.OrderBy(i => i.Instance.Placement.Start).Select(i => new GpuInstanceLayout(
            i.Instance.Id,
            i.Instance.Profile.Id,
            i.Instance.Profile.Name,
            i.Instance.Placement,
            [.. i.Inside.OrderBy(c => c.Id).Select(ToLayout)]))]);

    /// <summary>Every instance that can stand on the GPU, alone or not: what whoever has it for himself can have made.</summary>
    public IReadOnlyList<GpuInstanceLayout> Everything() =>
        [.. _profiles.SelectMany(p => p.Placements.Select(place => new GpuInstanceLayout(null, p.Profile.Id, p.Profile.Name, place, [
            .. Enumerable.Range(1, p.Profile.SliceCount).SelectMany(slices =>
                Enumerable.Repeat(new ComputeInstanceLayout(null, null, $"{slices}c", slices, null, null), p.Profile.SliceCount / slices))])))];

    public GpuState ToState(GpuGeometry geometry)
    {
        ILookup<(int?, int?), GpuProcess> users = Processes.ToLookup(process => (process.GpuInstanceId, process.ComputeInstanceId));
        return new GpuState(geometry, _instances.Select(i => new GpuInstanceState(i.Instance.Profile, i.Instance.Placement)
        {
            Id = i.Instance.Id,
            IsInUse = users.Contains((i.Instance.Id, null)),
            ComputeInstances = [.. i.Inside.Select(c => new ComputeInstanceState(c.Profile, c.Placement)
            {
                Id = c.Id,
                MigUuid = UuidOf(c),
                IsInUse = users.Contains((i.Instance.Id, c.Id)),
                Users = [.. users[(i.Instance.Id, c.Id)]],
            })],
        }));
    }

    public IEnumerable<GpuProcess> UsersOf(int? gpuInstance, int? computeInstance) =>
        Processes.Where(p => p.GpuInstanceId == gpuInstance && (computeInstance is null || p.ComputeInstanceId is null || p.ComputeInstanceId == computeInstance));

    public GpuInstance? Find(GpuInstanceLayout wanted) =>
        _instances.Find(i => i.Instance.Profile.Id == wanted.ProfileId && i.Instance.Placement == wanted.Placement).Instance;

    /// <summary>By id, and only if it is what is described: ids are given anew.</summary>
    public ComputeInstance? Find(GpuInstanceLayout wanted, ComputeInstanceLayout inside) =>
        Find(wanted) is { } there ? InsideOf(there).Find(c => c.Id == inside.Id && inside.Describes(ToLayout(c))) : null;

    // What was changed through this reading's objects is kept up, so that it need not be read again before the next step.
    public void Set(MigMode mode) => Mode = mode;

    public void Add(GpuInstance created) => _instances.Add((created, []));

    public void Add(ComputeInstance created) => InsideOf(created.GpuInstance).Add(created);

    public void Remove(GpuInstance destroyed) => _instances.RemoveAll(i => i.Instance == destroyed);

    public void Remove(ComputeInstance destroyed) => InsideOf(destroyed.GpuInstance).Remove(destroyed);

    private List<ComputeInstance> InsideOf(GpuInstance instance) => _instances.Find(i => i.Instance == instance).Inside;

    private ComputeInstanceLayout ToLayout(ComputeInstance instance) =>
        new(instance.Id, instance.Profile.Id, instance.Profile.Name, instance.Profile.SliceCount, instance.Placement, UuidOf(instance));

    private string? UuidOf(ComputeInstance instance) =>
        _migDevices.FirstOrDefault(d => d.GpuInstanceId == instance.GpuInstance.Id && d.ComputeInstanceId == instance.Id)?.Uuid;
}
