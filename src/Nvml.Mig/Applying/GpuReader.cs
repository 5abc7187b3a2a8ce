using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

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
        return new GpuGeometry(GpuReading.ReadProfiles(gpu, gpu.GetMigMode().Current ? gpu.GetGpuInstances() : []));
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
        return ToStates([.. gpus.Select(GpuReading.Read)]);
    }

    internal static GpuState[] ToStates(IReadOnlyList<GpuReading> readings)
    {
        ProfileGeometry[] known = [.. readings.SelectMany(r => r.Profiles).Where(p => p.ComputeProfiles is not null)];
        List<GpuGeometry> geometries = [];
        GpuState[] states = new GpuState[readings.Count];
        for (int i = 0; i < states.Length; i++)
        {
            GpuGeometry geometry = new(readings[i].Profiles.Select(p =>
                p.ComputeProfiles is null ? known.FirstOrDefault(k => k with { ComputeProfiles = null } == p) ?? p : p));
            GpuGeometry? same = geometries.Find(geometry.Equals);
            if (same is null)
                geometries.Add(geometry);
            states[i] = readings[i].ToState(same ?? geometry);
        }

        return states;
    }
}
