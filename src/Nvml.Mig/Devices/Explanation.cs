using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>Explains failures of the driver by the instances of a GPU and its users. Null where nothing explains one.</summary>
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
        if (users.Length == 0)
            return null;
        GpuProcess[] others = [.. users.Where(user => user.ProcessId != Environment.ProcessId)];
        if (others.Length == 0)
            return "It is used by this process itself: end its work on the GPU first.";
        string self = others.Length < users.Length ? ", and by this process itself" : "";
        return $"It is used by {string.Join(", ", others.AsEnumerable())}{self}: end that first.";
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
        NvmlReturnCode.NotSupported => WhyNotSupported(gpu),
        NvmlReturnCode.InvalidArgument => "The GPU has no such profile, or the profile cannot be placed there.",
        NvmlReturnCode.InsufficientResources => WhyNoRoom(gpu, profile, placement),
        NvmlReturnCode.InUse => WhoUses(gpu, null, null),
        NvmlReturnCode.NoPermission => null,
        _ => AfterFailedCreation(
            code, Try(() => gpu.Native.GetGpuInstances(profile).Select(i => (i.Info, i.Description)).ToArray()), placement),
    };

    /// <summary>The cause of a MIG mode that cannot be changed.</summary>
    public static string? WhyModeNotSet(GpuDevice gpu, NvmlReturnCode code) =>
        code == NvmlReturnCode.NotSupported ? WhyNoMode(gpu) ?? "The GPU has no MIG mode." : null;

    /// <summary>The cause of a missing MIG mode, on boards that have one. The driver reports display mode nowhere else.</summary>
    public static string? WhyNoMode(GpuDevice gpu) => Try(() => gpu.Name.Contains("RTX PRO", StringComparison.Ordinal)
        ? "This board can be divided only in compute mode: if it is in display mode, switch it with NVIDIA's displaymodeselector tool, and "
            + "reboot."
        : null);

    /// <summary>The traces of a failed creation of a compute instance.</summary>
    public static string AfterFailedCreation(
        GpuInstance parent, ComputeInstanceProfile profile, Placement? placement, NvmlReturnCode code)
    {
        (InstanceInfo, string)[]? present = Try(() =>
            parent.Native.GetComputeInstances(profile).Select(i => (i.Info, $"compute instance {i.Info.Id}")).ToArray());
        return AfterFailedCreation(code, present, placement);
    }

    /// <summary>The exception for an instance that was not destroyed, or whose destruction failed although it is gone.</summary>
    /// <param name="session">The session.</param>
    /// <param name="change">The call.</param>
    /// <param name="remains">Whether the instance remains; null if that is not known.</param>
    /// <param name="subject">The instance in "destroy ...".</param>
    /// <param name="instance">The instance in full.</param>
    /// <param name="why">The cause, if it is known.</param>
    /// <param name="isTransient">Null: as the code says.</param>
    public static NvmlException NotDestroyed(
        NativeSession session, NativeChange change, bool? remains, string subject, string instance, string? why, bool? isTransient)
    {
        if (change.Succeeded)
        {
            return NvmlErrors.Create(
                NvmlReturnCode.Unknown,
                change.Function,
                $"{instance} remains, although {change.Function} returned {change.Code.ToSymbol()}. "
                + "List the instances, and reset the GPU if it cannot be destroyed.");
        }

        if (remains is false && change.Code is NvmlReturnCode.InvalidArgument or NvmlReturnCode.NotFound)
            return NvmlErrors.Gone(change.Function, instance); // it went between the question and the call
        const string Unknown = "It is not known whether it is gone: list the instances.";
        string? hint = remains switch
        {
            true => why,
            false => NvmlErrors.HintAnd(change.Code, "It is gone all the same."),
            null when why is null => NvmlErrors.HintAnd(change.Code, Unknown),
            null => $"{why} {Unknown}",
        };
        NvmlException failed = session.Error(change.Code, change.Function, $"destroy {subject}", hint, isTransient);
        return failed is NvmlNotFoundException ? NvmlErrors.AsUnreadable(failed) : failed;
    }

    /// <summary>Throws if the instance read back after a creation is not the one that was asked for.</summary>
    public static void ThrowIfOther(InstanceInfo created, int profileId, Placement? placement, NativeChange change, string what)
    {
        if (created.ProfileId == profileId && (placement is null || created.Placement == placement))
            return;
        throw NvmlErrors.Create(
            NvmlReturnCode.Unknown,
            change.Function,
            $"The driver reports that it created the {what}, but shows instance {created.Id} of profile {created.ProfileId} at "
            + $"{created.Placement} for it. List the instances.");
    }

    /// <summary>The state of the MIG mode that keeps an instance from being created.</summary>
    private static string? WhyNotSupported(GpuDevice gpu) => Try(() => gpu.TryGetMigMode() switch
    {
        null => "The GPU has no MIG mode.",
        { Current: false, Pending: true } =>
            "MIG is enabled, but not active yet: reset the GPU (nvidia-smi --gpu-reset) once nothing uses it, or reboot.",
        { Current: false } => "MIG mode must be enabled first.",
        _ => null,
    });

    /// <summary>A call that failed can have done its work.</summary>
    private static string AfterFailedCreation(
        NvmlReturnCode code, (InstanceInfo Info, string Description)[]? present, Placement? placement)
    {
        string[]? alike = present?.Where(i => placement is null || i.Info.Placement == placement)
            .Select(i => $"{i.Description} at {i.Info.Placement}").ToArray();
        return NvmlErrors.HintAnd(code, alike switch
        {
            null => "It is not known whether it was created: list the instances.",
            [] => "It was not created.",
            _ => $"It may have been created all the same: there is {string.Join(" and ", alike)}. Destroy it if it is new and not wanted.",
        });
    }

    /// <summary>The instances in all places of a profile, or in the requested one.</summary>
    private static string? WhyNoRoom(GpuDevice gpu, GpuInstanceProfile profile, Placement? wanted) => Try(() =>
    {
        IReadOnlyList<GpuInstance> present = gpu.GetGpuInstances();
        int same = present.Count(i => i.Profile.Id == profile.Id);
        if (same >= profile.MaxInstances)
            return $"The GPU holds {same} of at most {profile.MaxInstances} {profile.Name} already.";
        IReadOnlyList<Placement> places = wanted is { } only ? [only] : gpu.GetPossiblePlacements(profile);
        if (places.FirstOrDefault(at => !present.Any(i => i.Placement.Overlaps(at))) is { Size: > 0 } free)
        {
            return $"{free} is free, but something else that it needs is not: instances share the engines of the GPU, and some, as those "
                + $"of +me, are there once. Present: {string.Join(", ", present)}.";
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
