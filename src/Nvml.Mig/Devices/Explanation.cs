namespace Nvml.Mig;

/// <summary>Explains failures of the driver by what stands on a GPU and who uses it. Null where there is nothing to say.</summary>
internal static class Explanation
{
    /// <summary>"It is used by process 4711 (python3): end that first.", of an instance or of the GPU as a whole.</summary>
    public static string? WhoUses(GpuDevice gpu, int? gpuInstanceId, int? computeInstanceId) => Try(() =>
    {
        GpuProcess[] users =
        [
            .. gpu.GetProcesses()
                .Where(process => process.GpuInstanceId == gpuInstanceId)
                .Where(process => computeInstanceId is null || process.ComputeInstanceId == computeInstanceId)
                .DistinctBy(process => process.ProcessId),
        ];
        return users.Length == 0 ? null : $"It is used by {string.Join(", ", users)}: end that first.";
    });

    /// <summary>The obstacle to destroying a GPU instance, and whether it may pass by itself.</summary>
    public static (string? Why, bool IsTransient) WhyInUse(GpuInstance instance)
    {
        int[]? inside = Try(() => instance.GetComputeInstances().Select(c => c.Id).ToArray());
        return inside?.Length switch
        {
            null => (null, true),
            0 => (WhoUses(instance.Device, instance.Id, null), true),
            1 => ($"It still has compute instance {inside[0]}: destroy that first.", false),
            _ => ($"It still has compute instances {string.Join(", ", inside)}: destroy them first.", false),
        };
    }

    /// <summary>The remedy for a GPU instance that could not be created.</summary>
    public static string? WhyNotCreated(GpuDevice gpu, GpuInstanceProfile profile, Placement? placement, NvmlReturnCode code) => code switch
    {
        NvmlReturnCode.NotSupported => "MIG mode must be enabled first.",
        NvmlReturnCode.InvalidArgument => "The GPU has no such profile, or the profile cannot be placed there.",
        NvmlReturnCode.InsufficientResources => WhyNoRoom(gpu, profile, placement),
        NvmlReturnCode.InUse => WhoUses(gpu, null, null),
        _ => null,
    };

    /// <summary>The instances that stand where one of a profile could, or where it was wanted.</summary>
    private static string? WhyNoRoom(GpuDevice gpu, GpuInstanceProfile profile, Placement? wanted) => Try(() =>
    {
        IReadOnlyList<GpuInstance> present = gpu.GetGpuInstances();
        int same = present.Count(i => i.Profile.Id == profile.Id);
        if (same >= profile.MaxInstances)
            return $"The GPU holds {same} of at most {profile.MaxInstances} {profile.Name} already.";
        IReadOnlyList<Placement> places = wanted is { } only ? [only] : gpu.GetPossiblePlacements(profile);
        if (places.FirstOrDefault(at => !present.Any(i => i.Placement.Overlaps(at))) is { Size: > 0 } free)
        {
            return $"{free} is free, but something else that it needs is not: instances share the engines of the GPU, and some, as those of "
                + $"+me, are there once. Present: {string.Join(", ", present)}.";
        }

        return wanted is { } place
            ? $"Its place is taken: {Blocked(place)}. {gpu.GetRemainingCapacity(profile)} more {profile.Name} would fit elsewhere."
            : $"Every place for it is taken: {string.Join("; ", places.Select(Blocked))}. "
                + "The order of creation decides where the driver puts instances: create large ones first, or name placements.";

        string Blocked(Placement at)
        {
            IEnumerable<GpuInstance> there = present.Where(i => i.Placement.Overlaps(at));
            return $"{at} by {string.Join(" and ", there.Select(i => $"{i.Id} ({i.Profile.Name} at {i.Placement})"))}";
        }
    });

    /// <summary>A failure to explain must not hide the failure that was to be explained.</summary>
    private static T? Try<T>(Func<T?> explain)
        where T : class
    {
        try
        {
            return explain();
        }
        catch (Exception e) when (e is NvmlException or ObjectDisposedException)
        {
            return null;
        }
    }
}
