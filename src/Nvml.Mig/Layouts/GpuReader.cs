using Nvml.Mig.Planning;

namespace Nvml.Mig.Layouts;

/// <summary>Reads GPUs for the planner.</summary>
public static class GpuReader
{
    /// <summary>
    /// Reads how a GPU can be divided, with as much of what goes inside GPU instances as the instances that are there show. Works with MIG
    /// disabled too.
    /// </summary>
    /// <param name="gpu">The GPU.</param>
    /// <exception cref="NvmlException">The GPU cannot be read.</exception>
    /// <exception cref="PlanningException">What it says of itself makes no sense.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public static GpuGeometry ReadGeometry(GpuDevice gpu)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        return new GpuGeometry(ReadProfiles(gpu, ReadInstances(gpu)));
    }

    /// <summary>
    /// Reads what stands on a GPU, and which of it processes use. Needs root or a MIG capability. Clients that NVML does not show, such as
    /// DCGM, are not seen here either.
    /// </summary>
    /// <param name="gpu">The GPU.</param>
    /// <returns>The state; empty if MIG mode is disabled.</returns>
    /// <exception cref="NvmlNoPermissionException">The caller may not see instances or processes.</exception>
    /// <exception cref="NvmlException">The GPU cannot be read.</exception>
    /// <exception cref="PlanningException">What it says of itself makes no sense.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public static GpuState ReadState(GpuDevice gpu)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        return ReadStates([gpu])[0];
    }

    /// <summary>
    /// Reads what stands on several GPUs. What goes inside GPU instances NVML shows only where there is one: GPUs that are alike otherwise
    /// learn it from each other, and share one geometry.
    /// </summary>
    /// <inheritdoc cref="ReadState(GpuDevice)"/>
    /// <param name="gpus">The GPUs.</param>
    /// <returns>Their states in the same order.</returns>
    public static IReadOnlyList<GpuState> ReadStates(IReadOnlyList<GpuDevice> gpus)
    {
        ArgumentNullException.ThrowIfNull(gpus);
        IReadOnlyList<GpuInstance>[] instances = [.. gpus.Select(ReadInstances)];
        ProfileGeometry[][] profiles = [.. gpus.Select((gpu, i) => ReadProfiles(gpu, instances[i]))];
        ProfileGeometry[] known = [.. profiles.SelectMany(p => p).Where(p => p.ComputeProfiles is not null)];
        List<GpuGeometry> geometries = [];
        GpuState[] states = new GpuState[gpus.Count];
        for (int i = 0; i < states.Length; i++)
        {
            GpuGeometry geometry = new(profiles[i].Select(p =>
                p.ComputeProfiles is null ? known.FirstOrDefault(k => k with { ComputeProfiles = null } == p) ?? p : p));
            GpuGeometry? same = geometries.Find(geometry.Equals);
            if (same is null)
                geometries.Add(geometry);
            states[i] = ReadState(gpus[i], same ?? geometry, instances[i]);
        }

        return states;
    }

    private static GpuState ReadState(GpuDevice gpu, GpuGeometry geometry, IReadOnlyList<GpuInstance> instances)
    {
        if (instances.Count == 0)
            return GpuState.Empty(geometry);
        IReadOnlyList<ComputeInstance>[] inside = [.. instances.Select(i => i.GetComputeInstances())];
        IReadOnlyList<MigDevice> devices = Array.Exists(inside, i => i.Count > 0) ? gpu.GetMigDevices() : [];
        ILookup<(int?, int?), GpuProcess> processes = gpu.GetProcesses().ToLookup(process => (process.GpuInstanceId, process.ComputeInstanceId));
        return new GpuState(geometry, instances.Select((instance, i) => new GpuInstanceState(instance.Profile, instance.Placement)
        {
            Id = instance.Id,
            IsInUse = processes.Contains((instance.Id, null)),
            ComputeInstances = [.. inside[i].Select(c => new ComputeInstanceState(c.Profile, c.Placement)
            {
                Id = c.Id,
                MigUuid = devices.FirstOrDefault(d => d.GpuInstanceId == instance.Id && d.ComputeInstanceId == c.Id)?.Uuid,
                IsInUse = processes.Contains((instance.Id, c.Id)),
                Users = [.. processes[(instance.Id, c.Id)]],
            })],
        }));
    }

    private static IReadOnlyList<GpuInstance> ReadInstances(GpuDevice gpu) => gpu.GetMigMode().Current ? gpu.GetGpuInstances() : [];

    /// <summary>Profiles that the driver does not list, but that an instance has, count too.</summary>
    private static ProfileGeometry[] ReadProfiles(GpuDevice gpu, IReadOnlyList<GpuInstance> instances) =>
        [.. gpu.GetGpuInstanceProfiles().Union(instances.Select(i => i.Profile)).Select(profile => new ProfileGeometry(
            profile,
            gpu.GetPossiblePlacements(profile),
            instances.FirstOrDefault(i => i.Profile == profile) is { } example
                ? [.. example.GetComputeInstanceProfiles().Select(c => new ComputeProfileGeometry(c, example.GetPossiblePlacements(c)))]
                : null))];
}
