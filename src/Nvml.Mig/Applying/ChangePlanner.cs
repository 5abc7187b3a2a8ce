using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>The change of a GPU that is planned, or that was requested and is refused.</summary>
/// <param name="Steps">The steps.</param>
/// <param name="Goal">The GPU after them; null if there is no plan.</param>
internal sealed record PlannedChange(IReadOnlyList<LayoutStep> Steps, GpuSnapshot? Goal)
{
    public GpuPlan? Plan { get; init; }

    public PlanRefusal? Refusal { get; init; }

    /// <summary>Why it is refused.</summary>
    public Exception? Error { get; init; }

    public IReadOnlyList<string> LeftAlone { get; init; } = [];

    /// <summary>Whether the mode is only asked for: it waits for a reboot.</summary>
    public bool EndsPending { get; init; }
}

/// <summary>
/// Plans the change of one GPU that was read, and refuses what must not be done: all that can be known is known before the first change.
/// </summary>
internal sealed class ChangePlanner(LiveGpu live, UseChecks use, ApplyOptions options)
{
    private GpuDevice Gpu => live.Gpu;

    /// <summary>Plans the way to a target.</summary>
    /// <exception cref="PlanningException">The spec makes no sense on this GPU.</exception>
    public PlannedChange Plan(GpuSnapshot before, GpuTarget target, JournalGpu? unfinished)
    {
        IReadOnlyDictionary<int, string> promised = live.Promised;
        target = target with { Keep = [.. target.Keep.Union(promised.Keys)] };
        LayoutSpec? spec = target.MigEnabled ? target.Layout : new LayoutSpec();
        // The same change again would be one change too many: the one that was begun is finished.
        if (spec is { IsChange: true } && unfinished?.Spec == spec.ToString())
            return PlanExact(before, unfinished.Goal, unfinished.Before.Instances, target.AllowInUse, target.Keep);

        GpuPlan? plan = null;
        if (spec is not null && !Planner.TryPlan(before, spec, out plan, out PlanRefusal? refusal, target.PlanOptions))
        {
            refusal.Leases = promised;
            return new PlannedChange([], null) { Refusal = refusal };
        }

        MigMode mode = new(target.MigEnabled, target.MigEnabled);
        List<LayoutStep> steps = [.. plan?.Steps ?? []];
        if (before.Mode != mode)
            steps.Insert(steps.FindLastIndex(s => s.IsDestroy) + 1, LayoutStep.SetMode(target.MigEnabled, mode));
        PlannedChange change = new(ForDriver(steps), steps.Aggregate(before, (snapshot, step) => step.ApplyTo(snapshot)))
        {
            Plan = plan,
            Error = (steps.Count > 0 ? live.LeasedWhole : null) ?? use.FindUsersOfTheWhole(steps),
        };
        return before.Mode.Current != mode.Current && options.ResetGpu is null && ModeCheck.TakesReboot(Gpu)
            ? LeavePending(before, change)
            : change;
    }

    /// <summary>Plans the way to a layout in which every place is known.</summary>
    /// <inheritdoc cref="Plan"/>
    public PlannedChange PlanExact(
        GpuSnapshot before,
        GpuSnapshot goal,
        IReadOnlyList<GpuInstanceSnapshot> own,
        IReadOnlyCollection<int> allowInUse,
        IReadOnlyCollection<int> keep)
    {
        live.WaitFor = allowInUse;
        LayoutWay way = LayoutSteps.Between(before, goal, own);
        return new PlannedChange(ForDriver(way.Steps), way.Result)
        {
            LeftAlone = way.LeftAlone,
            Error = Blocked(way) ?? FindOdd(before, way) ?? FindInTheWay(way.Steps, keep, live.Promised)
                ?? (way.Steps.Count > 0 ? live.LeasedWhole : null) ?? use.FindUsersOfTheWhole(way.Steps),
        };
    }

    /// <summary>Refuses a GPU that has instances or an unfinished change. Null if it is free.</summary>
    public NvmlException? FindOccupied(GpuSnapshot before, JournalGpu? unfinished)
    {
        if (unfinished is not null)
            return InUse("", $"{Gpu} has an unfinished change: its process died, or it could not be rolled back. Roll it back first.");
        if (live.LeasedWhole is { } leased)
            return leased;
        if (before.Instances.Count > 0)
            return InUse(NvmlFunction.GetGpuInstances, $"{Gpu} is not empty: {string.Join(" and ", before.Instances)} is there.");
        if (live.Layout.Processes is { Count: > 0 } processes)
        {
            return InUse(
                "nvmlDeviceGetComputeRunningProcesses",
                $"{Gpu} is in use by {string.Join(" and ", processes.DistinctBy(p => p.ProcessId))}.");
        }

        return !before.Mode.IsChangePending ? null : new NvmlResetRequiredException(
            NvmlReturnCode.ResetRequired,
            NvmlFunction.GetMigMode,
            $"The MIG mode of {Gpu} is {before.Mode}: reset the GPU or set the mode that it has.");

        static NvmlInUseException InUse(string function, string message) => new(NvmlReturnCode.InUse, function, message);
    }

    public NvmlException? Blocked(LayoutWay way) =>
        way.Blocked.Count == 0 ? null : new NvmlInsufficientResourcesException(
            NvmlReturnCode.InsufficientResources,
            NvmlFunction.CreateGpuInstanceAt,
            $"{Gpu} cannot get to its layout. {string.Join(" ", way.Blocked)}");

    /// <summary>
    /// Without the places of compute instances where the driver cannot be asked for them (R470): what it chose is compared in the end.
    /// </summary>
    public IReadOnlyList<LayoutStep> ForDriver(IReadOnlyList<LayoutStep> steps) =>
        Gpu.Has(NvmlFunction.CreateComputeInstanceAt) ? steps : [.. steps.Select(s => s.Kind == LayoutStepKind.CreateComputeInstance
            ? s with { ComputeInstance = s.ComputeInstance! with { Placement = null } }
            : s)];

    private NvmlException? FindOdd(GpuSnapshot before, LayoutWay way) =>
        way.Steps.Count > 0 || before.GetDifferencesFrom(way.Result) is not { Count: > 0 } odd ? null : new NvmlException(
            NvmlReturnCode.InvalidState, NvmlFunction.GetGpuInstances, $"{Gpu} cannot get to its layout. {string.Join(" ", odd)}");

    private Exception? FindInTheWay(
        IReadOnlyList<LayoutStep> steps, IReadOnlyCollection<int> keep, IReadOnlyDictionary<int, string> promised)
    {
        foreach (LayoutStep step in steps.Where(s => !s.IsModeChange))
        {
            if (use.FindInTheWay(step) is { } inTheWay)
                return inTheWay;
            if (step is not { IsDestroy: true, GpuInstance: { Id: { } id } kept } || !(keep.Contains(id) || promised.ContainsKey(id)))
                continue;
            string why = promised.TryGetValue(id, out string? lease) ? $"is leased ({lease})" : "is to be kept";
            return new PlanningException(PlanningError.KeptInstance, kept.ToString(), $"{kept} of {Gpu} {why} and in the way.");
        }

        return null;
    }

    /// <summary>The mode cannot be switched from here: asks for it and no more, or refuses that.</summary>
    private PlannedChange LeavePending(GpuSnapshot before, PlannedChange change)
    {
        bool enable = change.Goal!.Mode.Current;
        string only =
            $"MIG can be {(enable ? "enabled" : "disabled")} on {Gpu} only by a reboot, or a reset from outside of this virtual machine";
        if (!options.LeaveModePending)
        {
            return change with
            {
                Error = new NvmlResetRequiredException(
                    NvmlReturnCode.ResetRequired,
                    NvmlFunction.SetMigMode,
                    $"{only}: leave the mode pending, reboot, and apply the same again."),
            };
        }

        if (before.Instances.Count > 0)
        {
            string there = string.Join(" and ", before.Instances);
            return change with
            {
                Error = new NvmlInUseException(
                    NvmlReturnCode.InUse,
                    NvmlFunction.SetMigMode,
                    $"{only}, and it cannot be asked for while {there} is there: destroy that first.")
                {
                    IsTransient = false,
                },
            };
        }

        MigMode pending = before.Mode with { Pending = enable };
        return new PlannedChange(before.Mode == pending ? [] : [LayoutStep.SetMode(enable, pending)], before with { Mode = pending })
        {
            Error = change.Error,
            EndsPending = true,
        };
    }
}
