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
    private readonly ChangePlanner _planner;
    private readonly StepRunner _runner;
    private readonly List<ApplyStepResult> _results = [];
    private readonly List<ApplyStepResult> _rollbackResults = [];
    private GpuApplyResult _result;

    /// <summary>Whether a mode that waits for a reset is left so, and whether this one is.</summary>
    private bool _mayEndPending;
    private bool _endsPending;

    public GpuTransaction(GpuDevice gpu, ApplyContext context)
    {
        _context = context;
        _live = new LiveGpu(gpu, context);
        UseChecks use = new(_live);
        _planner = new ChangePlanner(_live, use, context.Options);
        _runner = new StepRunner(_live, use, context);
        _result = new GpuApplyResult { Gpu = gpu, Outcome = ApplyOutcome.NotTried };
    }

    public GpuDevice Gpu => _live.Gpu;

    public IReadOnlyList<LayoutStep> Steps { get; private set; } = [];

    /// <summary>The GPU when it was first read.</summary>
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
    public void Plan(GpuGeometry geometry, GpuTarget target, JournalGpu? unfinished)
    {
        _live.Geometry = geometry;
        _live.WaitFor = target.AllowInUse;
        _mayEndPending = _context.Options is { LeaveModePending: true, ResetGpu: null };
        _result = _result with { Before = Before! with { Geometry = geometry } };
        Take(() => _planner.Plan(Before!, target, unfinished));
    }

    /// <summary>Plans the way to a layout in which every place is known, or refuses it.</summary>
    public void PlanExact(GpuSnapshot goal, IReadOnlyList<GpuInstanceSnapshot> own) =>
        Take(() => _planner.PlanExact(Before!, goal, own, [], []));

    /// <summary>Refuses a GPU that is not empty, or in a change.</summary>
    public void RequireEmpty(JournalGpu? unfinished) =>
        Take(() => new PlannedChange([], null) { Error = _planner.FindOccupied(Before!, unfinished) });

    public void Refuse(Exception why) => _result = _result with { Error = why, Outcome = ApplyOutcome.Refused };

    /// <summary>Something else than the GPU itself keeps it from being changed.</summary>
    public void GiveUp(Exception why)
    {
        if (Steps.Count > 0 && Outcome != ApplyOutcome.Refused)
            _result = _result with { Outcome = ApplyOutcome.NotTried, Error = Error ?? why };
    }

    public void SetPlanned()
    {
        if (Steps.Count > 0)
            _result = _result with { Outcome = ApplyOutcome.Planned };
    }

    /// <summary>Sets why it was stopped or rolled back, if that was not its own failure.</summary>
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
        if (error is NvmlResetRequiredException && _mayEndPending && await IsPendingAsync().ConfigureAwait(false))
            error = null;
        _result = _result with
        {
            Error = error,
            Outcome = error is not null ? Outcome : _endsPending ? ApplyOutcome.Pending : ApplyOutcome.Applied,
        };
        if (error is null)
            ReportEnd();
    }

    /// <summary>
    /// Whether the driver took the mode and only waits for a reset, which was not known before: that is then how it ends.
    /// </summary>
    private async Task<bool> IsPendingAsync()
    {
        try
        {
            await _live.ReadAsync(SnapshotParts.Instances).ConfigureAwait(false);
        }
        catch (NvmlException)
        {
            return false;
        }

        GpuSnapshot now = _live.Snapshot;
        _endsPending = now.Mode.IsChangePending && now.Mode.Pending == Goal!.Mode.Current;
        if (_endsPending)
        {
            _results[^1] = _results[^1] with { Outcome = ApplyStepOutcome.Done };
            _result = _result with { After = now, Goal = now };
        }

        return _endsPending;
    }

    /// <summary>Takes the GPU back to what stood there before.</summary>
    public async Task RollBackAsync()
    {
        if (_results.Count == 0)
            return; // Its first step was never tried.
        // The processes that were waited for have ended. On what this apply created there are none, or a job that was started since: that
        // is left.
        _live.WaitFor = [];
        await GoBackAsync(_runner.Created).ConfigureAwait(false);
        FinishSteps();
        ReportEnd();
    }

    /// <summary>Runs the use on the empty GPU, then restores the GPU.</summary>
    /// <param name="use">The use. Its exception is the <see cref="Error"/>.</param>
    /// <param name="own">The instances that it may create.</param>
    /// <param name="cancellationToken">For the use; the rollback is not cancelled.</param>
    public async Task RunExclusivelyAsync(
        Func<CancellationToken, Task> use, IReadOnlyList<GpuInstanceSnapshot> own, CancellationToken cancellationToken)
    {
        try
        {
            await use(cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // The GPU is restored after any exception; the result has it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _result = _result with { Error = e };
        }

        // The processes on the GPU belong to the use, and are ending.
        _live.WaitFor = null;
        await GoBackAsync(own).ConfigureAwait(false);
        if (Outcome == ApplyOutcome.RolledBack && Error is null)
            _result = _result with { Outcome = ApplyOutcome.Applied };
        ReportEnd();
    }

    /// <summary>After a failed rollback: reports the differences from the recorded layout.</summary>
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

    /// <summary>
    /// Our instances on the GPU now: those that this apply created, and those that were ours before, as far as they exist.
    /// </summary>
    public IReadOnlyList<GpuInstanceSnapshot> GetOwn(IReadOnlyList<GpuInstanceSnapshot> before)
    {
        List<GpuInstanceSnapshot> own = LayoutSteps.Union(LayoutSteps.Union(_runner.Created, before), _runner.PerhapsCreated);
        return _result.After is { } after ? LayoutSteps.Present(own, after) : own;
    }

    private async Task GoBackAsync(IReadOnlyList<GpuInstanceSnapshot> own)
    {
        try
        {
            // A step that one round could not do may be possible when the rest is done; a third round would be a repetition.
            for (int round = 0; round < 2; round++)
            {
                await _live.ReadAsync(SnapshotParts.Users).ConfigureAwait(false);
                _runner.LearnWhatBecameOfTheLast(_results);
                LayoutWay way = LayoutSteps.Between(_live.Snapshot, Before!, own);
                Exception? error = way.Steps.Count == 0
                    ? _result.RollbackError
                    : await _runner.RunAsync(
                        _planner.ForDriver(way.Steps), _rollbackResults, isRollback: true, CancellationToken.None).ConfigureAwait(false);
                _result = _result with { RollbackError = error ?? _planner.Blocked(way) };
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
                NvmlFunction.GetGpuInstances,
                $"No call failed, but {Gpu} does not have the planned layout, because of another client or the driver: "
                    + $"{string.Join(" ", differences)}");
        }
#pragma warning disable CA1031 // Without reading back there is no success, whatever the reason.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return e;
        }
    }

    private void SetAfter(GpuSnapshot wanted) =>
        _result = _result with { After = _live.Snapshot, Differences = _live.Snapshot.GetDifferencesFrom(wanted) };

    private void SetUnknown() =>
        _result = _result with { After = null, Differences = [$"The instances of {Gpu} cannot be read."] };

    /// <summary>Records the effect of the rollback on the steps that were done.</summary>
    private void FinishSteps()
    {
        for (int i = 0; i < _results.Count; i++)
        {
            if (_results[i].Outcome == ApplyStepOutcome.Done)
                _results[i] = _results[i] with
                {
                    Outcome = IsStillInEffect(_results[i].Step) ? ApplyStepOutcome.Left : ApplyStepOutcome.Undone,
                };
        }

        bool IsStillInEffect(LayoutStep step) => _result.After is not { } after || step.IsInEffect(after);
    }

    private void Take(Func<PlannedChange> plan)
    {
        try
        {
            PlannedChange change = plan();
            Steps = change.Steps;
            _endsPending = change.EndsPending;
            _result = _result with
            {
                Goal = change.Goal,
                Plan = change.Plan,
                Refusal = change.Refusal,
                LeftAlone = change.LeftAlone,
                Error = change.Error,
                Outcome = change.Refusal is not null || change.Error is not null ? ApplyOutcome.Refused
                    : Steps.Count > 0 ? ApplyOutcome.NotTried
                    : _endsPending ? ApplyOutcome.Pending
                    : ApplyOutcome.Unchanged,
            };
        }
        catch (PlanningException e)
        {
            Refuse(e);
        }
    }

    private void ReportEnd() =>
        _context.Report(
            new ApplyProgress(Gpu, null, Steps.Count, Steps.Count, Outcome is not (ApplyOutcome.Applied or ApplyOutcome.Pending), Outcome));

    /// <summary>
    /// A snapshot that was read without its users, with those of an earlier one: what was kept is in use still, for all we know.
    /// </summary>
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
