using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>
/// The steps on one GPU that end in the goal, in the start, or in a true report: read, plan, execute, verify; after a failure back.
/// </summary>
/// <remarks>No method throws for what happens to the GPU: it is kept for the result.</remarks>
internal sealed class GpuTransaction
{
    private readonly ApplyContext _context;
    private readonly LiveGpu _live;
    private readonly UseChecks _use;
    private readonly StepRunner _runner;
    private readonly List<ApplyStepResult> _results = [];
    private readonly List<ApplyStepResult> _rollbackResults = [];
    private GpuApplyResult _result;

    public GpuTransaction(GpuDevice gpu, ApplyContext context)
    {
        _context = context;
        _live = new LiveGpu(gpu, context);
        _use = new UseChecks(_live);
        _runner = new StepRunner(_live, _use, context);
        _result = new GpuApplyResult { Gpu = gpu, Outcome = ApplyOutcome.NotTried };
    }

    public GpuDevice Gpu => _live.Gpu;

    public IReadOnlyList<LayoutStep> Steps { get; private set; } = [];

    /// <summary>What stood there when it was first read.</summary>
    public GpuSnapshot? Before => _result.Before;

    public GpuSnapshot? Goal => _result.Goal;

    public Exception? Error => _result.Error;

    public ApplyOutcome Outcome => _result.Outcome;

    public IReadOnlyList<ProfileGeometry> Profiles => _live.Layout.Profiles;

    /// <summary>Reads the GPU; with its profiles where a plan is to be made.</summary>
    public async Task ReadAsync(SnapshotParts parts, CancellationToken cancellationToken)
    {
        try
        {
            await _live.ReadAsync(parts, cancellationToken).ConfigureAwait(false);
            _result = _result with { Before = _live.Snapshot };
        }
        catch (NvmlException e)
        {
            Refuse(e);
        }
    }

    /// <summary>Plans the way to a target, or refuses it.</summary>
    public void Plan(GpuGeometry geometry, GpuTarget target, JournalGpu? unfinished) => RefuseIfThrown(() =>
    {
        _live.Geometry = geometry;
        _live.WaitFor = target.AllowInUse;
        GpuSnapshot before = Before! with { Geometry = geometry };
        _result = _result with { Before = before };
        LayoutSpec? spec = target.MigEnabled ? target.Layout : new LayoutSpec();
        if (spec is { IsChange: true } && unfinished?.Spec == spec.ToString())
        {
            // The same change again would be one change too many: the one that was begun is finished.
            PlanExact(unfinished.Goal, unfinished.Before.Instances, target.AllowInUse, target.Keep);
            return;
        }

        List<LayoutStep> steps = [];
        if (spec is not null)
        {
            bool found = Planner.TryPlan(before, spec, out GpuPlan? plan, out PlanRefusal? refusal, target.PlanOptions);
            _result = _result with { Plan = plan, Refusal = refusal, Outcome = found ? Outcome : ApplyOutcome.Refused };
            if (plan is null)
                return;
            steps.AddRange(plan.Steps);
        }

        MigMode mode = new(target.MigEnabled, target.MigEnabled);
        if (before.Mode != mode)
            steps.Insert(steps.FindLastIndex(s => s.IsDestroy) + 1, LayoutStep.SetMode(target.MigEnabled, mode));
        SetSteps(steps, steps.Aggregate(before, (snapshot, step) => step.ApplyTo(snapshot)));
        ThrowIfUsedAsAWhole();
    });

    /// <summary>Plans the way to a layout in which every place is known, or refuses it.</summary>
    public void PlanExact(
        GpuSnapshot goal, IReadOnlyList<GpuInstanceSnapshot> own, IReadOnlyCollection<int>? allowInUse = null, IReadOnlyCollection<int>? keep = null) =>
        RefuseIfThrown(() =>
    {
        _live.WaitFor = allowInUse ?? [];
        LayoutWay way = LayoutSteps.Between(Before!, goal, own);
        SetSteps(way.Steps, way.Result);
        _result = _result with { LeftAlone = way.LeftAlone };
        if (Blocked(way) is { } blocked)
            throw blocked;
        if (Steps.Count == 0 && Before!.GetDifferencesFrom(way.Result) is { Count: > 0 } odd)
        {
            throw new NvmlException(
                NvmlReturnCode.InvalidState, "nvmlDeviceGetGpuInstances", $"{Gpu} cannot get to its layout. {string.Join(" ", odd)}");
        }

        foreach (LayoutStep step in Steps.Where(s => !s.IsModeChange))
        {
            if (_use.FindInTheWay(step) is { } inTheWay)
                throw inTheWay;
            if (step is { IsDestroy: true, GpuInstance: { Id: { } id } kept } && keep?.Contains(id) == true)
                throw new PlanningException(PlanningError.KeptInstance, kept.ToString(), $"{kept} of {Gpu} is to be kept and in the way.");
        }

        ThrowIfUsedAsAWhole();
    });

    /// <summary>Refuses a GPU that is not empty, or in a change: what stands there is not ours to disturb.</summary>
    public void RequireEmpty(JournalGpu? unfinished) => RefuseIfThrown(() =>
    {
        const string instances = "nvmlDeviceGetGpuInstances";
        const string processes = "nvmlDeviceGetComputeRunningProcesses";
        if (unfinished is not null)
            throw InUse("", $"{Gpu} was left in the middle of a change that died or could not be taken back: roll that back first.");
        if (Before!.Instances.Count > 0)
            throw InUse(instances, $"{Gpu} is not empty: {string.Join(" and ", Before.Instances)} is there.");
        if (_live.Layout.Processes.Count > 0)
            throw InUse(processes, $"{Gpu} is in use by {string.Join(" and ", _live.Layout.Processes.DistinctBy(p => p.ProcessId))}.");
        if (Before.Mode.IsChangePending)
        {
            throw new NvmlResetRequiredException(
                NvmlReturnCode.ResetRequired,
                "nvmlDeviceGetMigMode",
                $"The MIG mode of {Gpu} is {Before.Mode}: reset the GPU or set the mode that it has.");
        }

        static NvmlInUseException InUse(string function, string message) => new(NvmlReturnCode.InUse, function, message);
    });

    public void Refuse(Exception why) => _result = _result with { Error = why, Outcome = ApplyOutcome.Refused };

    /// <summary>Something else than the GPU itself keeps it from being changed.</summary>
    public void GiveUp(Exception why)
    {
        if (Steps.Count > 0 && Outcome != ApplyOutcome.Refused)
            _result = _result with { Outcome = ApplyOutcome.NotTried, Error = Error ?? why };
    }

    public void SetPlanned() => _result = _result with { Outcome = Steps.Count == 0 ? ApplyOutcome.Unchanged : ApplyOutcome.Planned };

    /// <summary>Says why it was stopped or taken back, where that was not its own failure.</summary>
    public void SetCause(Exception why)
    {
        if (Error is null or OperationCanceledException)
            _result = _result with { Error = why };
    }

    /// <summary>Executes the steps, reads back and compares. Without an <see cref="Error"/> afterwards, it is done.</summary>
    /// <param name="cancellationToken">Taken notice of between steps and between attempts.</param>
    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        Exception? error = await _runner.RunAsync(Steps, _results, isRollback: false, cancellationToken).ConfigureAwait(false)
            ?? await VerifyAsync(cancellationToken).ConfigureAwait(false);
        _result = _result with { Error = error, Outcome = error is null ? ApplyOutcome.Applied : Outcome };
        if (error is null)
            ReportEnd();
    }

    /// <summary>Takes the GPU back to what stood there before.</summary>
    public async Task RollBackAsync()
    {
        if (_results.Count == 0)
            return; // Its first step was never tried.
        // The processes that were waited for have ended. On what this apply created there are none, or a job that was started since: that is left.
        _live.WaitFor = [];
        await GoBackAsync(_runner.Made).ConfigureAwait(false);
        FinishSteps();
        ReportEnd();
    }

    /// <summary>Lets somebody use the empty GPU, and takes it back to what it was.</summary>
    /// <param name="use">The use. What it throws is the <see cref="Error"/>.</param>
    /// <param name="own">What it may create.</param>
    /// <param name="cancellationToken">For the use; the way back is not cancelled.</param>
    public async Task RunExclusivelyAsync(
        Func<CancellationToken, Task> use, IReadOnlyList<GpuInstanceSnapshot> own, CancellationToken cancellationToken)
    {
        try
        {
            await use(cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever it threw, the GPU is taken back; the result has it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _result = _result with { Error = e };
        }

        // What runs on the GPU now belongs to the use, and is on its way out.
        _live.WaitFor = null;
        await GoBackAsync(own).ConfigureAwait(false);
        if (Outcome == ApplyOutcome.RolledBack && Error is null)
            _result = _result with { Outcome = ApplyOutcome.Applied };
        ReportEnd();
    }

    /// <summary>Where there is no way back, since this was the way back: says what is not as it was recorded.</summary>
    public async Task LeaveAsync()
    {
        try
        {
            await _live.ReadAsync(SnapshotParts.Users).ConfigureAwait(false);
            SetAfter(Goal!);
        }
#pragma warning disable CA1031 // The first failure is the one to report.
        catch (Exception)
#pragma warning restore CA1031
        {
            SetUnknown();
        }

        // Perhaps only reading back failed.
        _result = _result.Differences.Count == 0
            ? _result with { Outcome = ApplyOutcome.Applied, Error = null }
            : _result with { Outcome = ApplyOutcome.NotRestored };
        ReportEnd();
    }

    public GpuApplyResult ToResult() => _result with
    {
        Steps = [.. _results, .. Steps.Skip(_results.Count).Select(s => new ApplyStepResult(s, ApplyStepOutcome.NotTried, 0, null))],
        RollbackSteps = _rollbackResults,
    };

    /// <summary>What is ours on the GPU now: what this apply created, and what was ours before, as far as it is there.</summary>
    public IReadOnlyList<GpuInstanceSnapshot> GetOwn(IReadOnlyList<GpuInstanceSnapshot> before)
    {
        List<GpuInstanceSnapshot> own = LayoutSteps.Union(LayoutSteps.Union(_runner.Made, before), _runner.PerhapsMade);
        return _result.After is { } after ? LayoutSteps.Present(own, after) : own;
    }

    private async Task GoBackAsync(IReadOnlyList<GpuInstanceSnapshot> own)
    {
        try
        {
            // What a round could not do may be possible when the rest is done; a third would be a repetition.
            for (int round = 0; round < 2; round++)
            {
                await _live.ReadAsync(SnapshotParts.Users).ConfigureAwait(false);
                _runner.LearnWhatBecameOfTheLast(_results);
                LayoutWay way = LayoutSteps.Between(_live.Snapshot, Before!, own);
                Exception? error = way.Steps.Count == 0
                    ? _result.RollbackError
                    : await _runner.RunAsync(ForDriver(way.Steps), _rollbackResults, isRollback: true, CancellationToken.None).ConfigureAwait(false);
                _result = _result with { RollbackError = error ?? Blocked(way) };
                if (way.Steps.Count == 0)
                    break;
            }

            if (_rollbackResults.Count > 0)
                await _live.ReadAsync(SnapshotParts.Users).ConfigureAwait(false);
            SetAfter(Before!);
        }
#pragma warning disable CA1031 // Whatever it is, it is part of the report, and the other GPUs go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _result = _result with { RollbackError = e };
            SetUnknown();
        }

        _result = _result with { Outcome = _result.Differences.Count == 0 ? ApplyOutcome.RolledBack : ApplyOutcome.NotRestored };
    }

    private async Task<Exception?> VerifyAsync(CancellationToken cancellationToken)
    {
        _context.Report(new ApplyProgress(Gpu, null, Steps.Count, Steps.Count, IsRollback: false));
        try
        {
            await _live.ReadAsync(SnapshotParts.Instances, cancellationToken).ConfigureAwait(false);
            _result = _result with { After = WithUse(_live.Snapshot, Before!) };
            IReadOnlyList<string> differences = _result.After.GetDifferencesFrom(Goal!);
            return differences.Count == 0 ? null : new NvmlException(
                NvmlReturnCode.InvalidState,
                "nvmlDeviceGetGpuInstances",
                $"No call failed, but {Gpu} is not as it was to be, by somebody else's doing or the driver's: {string.Join(" ", differences)}");
        }
#pragma warning disable CA1031 // What cannot be read back is no success, whatever the reason.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return e;
        }
    }

    private void SetAfter(GpuSnapshot wanted) =>
        _result = _result with { After = _live.Snapshot, Differences = _live.Snapshot.GetDifferencesFrom(wanted) };

    private void SetUnknown() =>
        _result = _result with { After = null, Differences = [$"What stands on {Gpu} now cannot be read."] };

    /// <summary>Says of steps that were done what became of them on the way back.</summary>
    private void FinishSteps()
    {
        for (int i = 0; i < _results.Count; i++)
        {
            if (_results[i].Outcome == ApplyStepOutcome.Done)
                _results[i] = _results[i] with { Outcome = IsStillInEffect(_results[i].Step) ? ApplyStepOutcome.Left : ApplyStepOutcome.Undone };
        }

        bool IsStillInEffect(LayoutStep step) => _result.After is not { } after || step.IsInEffect(after);
    }

    /// <summary>
    /// Without the places of compute instances where the driver cannot be asked for them (R470): what it chose is compared in the end.
    /// </summary>
    private IReadOnlyList<LayoutStep> ForDriver(IReadOnlyList<LayoutStep> steps) =>
        Gpu.Has("nvmlGpuInstanceCreateComputeInstanceWithPlacement") ? steps : [.. steps.Select(s => s.Kind == LayoutStepKind.CreateComputeInstance
            ? s with { ComputeInstance = s.ComputeInstance! with { Placement = null } }
            : s)];

    private void SetSteps(IReadOnlyList<LayoutStep> steps, GpuSnapshot goal)
    {
        Steps = ForDriver(steps);
        _result = _result with { Goal = goal, Outcome = steps.Count == 0 ? ApplyOutcome.Unchanged : ApplyOutcome.NotTried };
    }

    private void ThrowIfUsedAsAWhole()
    {
        if (_use.FindUsersOfTheWhole(Steps) is { } inUse)
            throw inUse;
    }

    private NvmlInsufficientResourcesException? Blocked(LayoutWay way) =>
        way.Blocked.Count == 0 ? null : new NvmlInsufficientResourcesException(
            NvmlReturnCode.InsufficientResources,
            "nvmlDeviceCreateGpuInstanceWithPlacement",
            $"{Gpu} cannot get to its layout. {string.Join(" ", way.Blocked)}");

    private void RefuseIfThrown(Action act)
    {
        try
        {
            act();
        }
        catch (Exception e) when (e is NvmlException or PlanningException)
        {
            Refuse(e);
        }
    }

    private void ReportEnd() =>
        _context.Report(new ApplyProgress(Gpu, null, Steps.Count, Steps.Count, Outcome != ApplyOutcome.Applied, Outcome));

    /// <summary>A snapshot that was read without its users, with those of an earlier one: what was kept is in use still, for all we know.</summary>
    private static GpuSnapshot WithUse(GpuSnapshot now, GpuSnapshot earlier)
    {
        return now with { Instances = [.. now.Instances.Select(i => earlier.Find(i) is { } same ? WithUseOf(i, same) : i)] };

        static GpuInstanceSnapshot WithUseOf(GpuInstanceSnapshot instance, GpuInstanceSnapshot same) => instance with
        {
            IsInUse = same.IsInUse,
            ComputeInstances = [.. instance.ComputeInstances.Select(c => same.ComputeInstances.FirstOrDefault(s => s.Id == c.Id) is { } was
                ? c with { IsInUse = was.IsInUse, Users = was.Users }
                : c)],
        };
    }
}
