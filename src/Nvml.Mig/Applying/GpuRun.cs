using System.Diagnostics;
using Nvml.Mig.Host;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>
/// One GPU's way through an apply: read, plan, execute, verify; after a failure back. The one place that decides what a failure means:
/// after each, the GPU is read, since a call can fail after it took effect, and others can change the GPU too.
/// </summary>
/// <remarks>
/// Every method runs on a thread of the GPU's own and does not throw for what happens to the GPU: it keeps it for the result.
/// </remarks>
internal sealed class GpuRun(GpuDevice gpu, ApplyContext context)
{
    private readonly List<ApplyStepResult> _results = [];
    private readonly List<ApplyStepResult> _rollbackResults = [];

    /// <summary>What this run has made, and nobody else: what the way back may destroy.</summary>
    private readonly List<GpuInstanceSnapshot> _made = [];
    private LiveLayout? _now;
    private GpuGeometry _geometry = GpuGeometry.Empty;

    /// <summary>The GPU instances whose processes are waited for; null: all.</summary>
    private IReadOnlyCollection<int>? _waitFor = [];
    private GpuInstance? _justCreated;
    private bool _quiesced;
    private bool _wasRolledBack;
    private GpuPlan? _plan;
    private PlanRefusal? _refusal;
    private GpuSnapshot? _after;
    private Exception? _rollbackError;
    private IReadOnlyList<string> _differences = [];
    private IReadOnlyList<string> _leftAlone = [];

    /// <summary>The last step, if it failed and the GPU could not be read since; with what was known before it.</summary>
    private (LayoutStep Step, GpuSnapshot Before, Exception Error)? _unknown;

    public GpuDevice Gpu => gpu;

    public IReadOnlyList<LayoutStep> Steps { get; private set; } = [];

    /// <summary>What stood there when it was first read.</summary>
    public GpuSnapshot? Before { get; private set; }

    public GpuSnapshot? Goal { get; private set; }

    public Exception? Error { get; private set; }

    public ApplyOutcome Outcome { get; private set; } = ApplyOutcome.NotTried;

    public LiveLayout? Reading => _now;

    /// <summary>Reads the GPU; with its profiles where a plan is to be made.</summary>
    public void Read(bool withProfiles, CancellationToken cancellationToken) => Guard(() =>
    {
        _now = ReadAgain(() => LiveLayout.Read(gpu, withProfiles ? SnapshotParts.All : SnapshotParts.Users), cancellationToken);
        Before = _now.ToSnapshot(_geometry);
    });

    /// <summary>Plans the way to a target, or refuses it.</summary>
    public void Plan(GpuGeometry geometry, GpuTarget target, JournalGpu? unfinished) => Guard(() =>
    {
        _geometry = geometry;
        Before = Before! with { Geometry = geometry };
        LayoutSpec? spec = target.MigEnabled ? target.Layout : new LayoutSpec();
        List<LayoutStep> steps = [];
        _waitFor = target.AllowInUse;
        if (spec is { IsChange: true } && unfinished?.Spec == spec.ToString())
        {
            // The same change again would be one change too many: the one that was begun is finished.
            PlanExact(unfinished.Goal, unfinished.Before.Instances, target.AllowInUse);
            return;
        }

        if (spec is not null)
        {
            if (!Planner.TryPlan(Before, spec, out _plan, out _refusal, target.AllowInUse))
            {
                Outcome = ApplyOutcome.Refused;
                return;
            }

            steps = [.. _plan.Steps];
        }

        MigMode mode = new(target.MigEnabled, target.MigEnabled);
        if (Before!.Mode != mode)
            steps.Insert(steps.FindLastIndex(s => s.IsDestroy) + 1, LayoutStep.SetMode(target.MigEnabled, mode));
        SetSteps(steps, steps.Aggregate(Before, (layout, step) => step.ApplyTo(layout)));
        ThrowIfUsedAsAWhole();
    });

    /// <summary>Plans the way to a layout in which every place is known, or refuses it.</summary>
    public void PlanExact(GpuSnapshot goal, IReadOnlyList<GpuInstanceSnapshot> own, IReadOnlyCollection<int> allowInUse) => Guard(() =>
    {
        _waitFor = allowInUse;
        LayoutWay way = LayoutSteps.Between(Before!, goal, own);
        SetSteps(way.Steps, way.Result);
        _leftAlone = way.LeftAlone;
        if (Blocked(way) is { } blocked)
            throw blocked;

        if (Steps.Count == 0 && Before!.GetDifferencesFrom(way.Result) is { Count: > 0 } odd)
            throw new NvmlException(NvmlReturnCode.InvalidState, "nvmlDeviceGetGpuInstances", $"{gpu} cannot get to its layout. {string.Join(" ", odd)}");

        foreach (LayoutStep step in Steps.Where(s => !s.IsModeChange))
        {
            if (FindInTheWay(step, null) is { } inTheWay)
                throw inTheWay;
        }

        ThrowIfUsedAsAWhole();
    });

    /// <summary>Something keeps this GPU from being changed that is not its own fault.</summary>
    public void GiveUp(Exception? why)
    {
        if (Steps.Count > 0 && Outcome is not ApplyOutcome.Refused)
        {
            Outcome = ApplyOutcome.NotTried;
            Error ??= why;
        }
    }

    public void SetPlanned() => Outcome = Steps.Count == 0 ? ApplyOutcome.Unchanged : ApplyOutcome.Planned;

    /// <summary>Executes the steps, reads back and compares. Without an <see cref="Error"/> afterwards, it is done.</summary>
    /// <param name="cancellationToken">Taken notice of between steps and between attempts.</param>
    public void Execute(CancellationToken cancellationToken)
    {
        Error = Run(Steps, _results, isRollback: false, cancellationToken) ?? Verify(cancellationToken);
        if (Error is not null)
            return;
        Outcome = ApplyOutcome.Applied;
        ReportEnd();
    }

    /// <summary>Says why it was stopped or taken back, where that was not its own failure.</summary>
    public void SetCause(Exception why)
    {
        if (Error is null or OperationCanceledException)
            Error = why;
    }

    /// <summary>Takes the GPU back to what stood there before.</summary>
    public void Rollback()
    {
        if (_results.Count == 0)
            return; // Its first step was never tried.
        _wasRolledBack = true;
        // Who was let go is gone. On what this run has made nobody is, or a job that somebody has started there since: that is left alone.
        _waitFor = [];
        GoBack(_made);
        ReportEnd();
    }

    /// <summary>Refuses a GPU that is not empty, or not as it is by its own choice: what stands there is not ours to disturb.</summary>
    public void RequireEmpty(JournalGpu? unfinished) => Guard(() =>
    {
        if (unfinished is not null)
            throw new NvmlInUseException(NvmlReturnCode.InUse, "", $"{gpu} was left in the middle of a change that died or could not be taken back: roll that back first.");
        if (Before!.Instances.Count > 0)
            throw new NvmlInUseException(NvmlReturnCode.InUse, "nvmlDeviceGetGpuInstances", $"{gpu} is not empty: {string.Join(" and ", Before.Instances)} is there.");
        if (_now!.Processes.Count > 0)
            throw new NvmlInUseException(NvmlReturnCode.InUse, "nvmlDeviceGetComputeRunningProcesses", $"{gpu} is in use by {string.Join(" and ", _now.Processes.DistinctBy(p => p.ProcessId))}.");
        if (Before.Mode.Current != Before.Mode.Pending)
            throw new NvmlResetRequiredException(NvmlReturnCode.ResetRequired, "nvmlDeviceGetMigMode", $"The MIG mode of {gpu} is {Before.Mode}: reset the GPU or set the mode that it has.");
    });

    /// <summary>Lets somebody use the empty GPU, and takes it back to what it was.</summary>
    /// <param name="use">The use. What it throws is the <see cref="Error"/>.</param>
    /// <param name="own">What it may create.</param>
    /// <param name="cancellationToken">For the use; the way back is not cancelled.</param>
    public void RunExclusively(Func<CancellationToken, Task> use, IReadOnlyList<GpuInstanceSnapshot> own, CancellationToken cancellationToken)
    {
        try
        {
            use(cancellationToken).GetAwaiter().GetResult();
        }
#pragma warning disable CA1031 // Whatever it threw, the GPU is taken back; it is told in the result.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Error = e;
        }

        // What runs on the lent GPU is the use's own, and on its way out.
        _waitFor = null;
        GoBack(own);
        if (Outcome == ApplyOutcome.RolledBack && Error is null)
            Outcome = ApplyOutcome.Applied;
        ReportEnd();
    }

    private void GoBack(IReadOnlyList<GpuInstanceSnapshot> own)
    {
        try
        {
            // What a round could not do may be possible when the rest is done; a third would be a repetition.
            for (int round = 0; round < 2; round++)
            {
                _now = ReadAgain(() => LiveLayout.Read(gpu, SnapshotParts.Users));
                LearnWhatBecameOfTheLast();
                LayoutWay way = LayoutSteps.Between(_now.ToSnapshot(_geometry), Before!, own);
                if (way.Steps.Count > 0)
                    _rollbackError = Run(ForDriver(way.Steps), _rollbackResults, isRollback: true, CancellationToken.None);
                _rollbackError ??= Blocked(way);
                if (way.Steps.Count == 0)
                    break;
            }

            if (_rollbackResults.Count > 0)
                _now = ReadAgain(() => LiveLayout.Read(gpu, SnapshotParts.Users));
            _after = _now!.ToSnapshot(_geometry);
            _differences = _after.GetDifferencesFrom(Before!);
        }
#pragma warning disable CA1031 // Whatever it is, it is part of the report, and the other GPUs go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _after = null;
            _rollbackError = e;
            _differences = [$"What stands on {gpu} now cannot be read."];
        }

        Outcome = _differences.Count == 0 ? ApplyOutcome.RolledBack : ApplyOutcome.NotRestored;
    }

    /// <summary>
    /// Where there is no way back, since this was the way back: says what is not as it was recorded. Nothing, if it only could not be read.
    /// </summary>
    public void Leave()
    {
        try
        {
            _now = ReadAgain(() => LiveLayout.Read(gpu, SnapshotParts.Users));
            _after = _now.ToSnapshot(_geometry);
            _differences = _after.GetDifferencesFrom(Goal!);
        }
#pragma warning disable CA1031 // What failed first is what is told.
        catch (Exception)
#pragma warning restore CA1031
        {
            _after = null;
            _differences = [$"What stands on {gpu} now cannot be read."];
        }

        Outcome = _differences.Count == 0 ? ApplyOutcome.Applied : ApplyOutcome.NotRestored;
        if (Outcome == ApplyOutcome.Applied)
            Error = null;
        ReportEnd();
    }

    public GpuApplyResult ToResult() => new()
    {
        Gpu = gpu,
        Outcome = Outcome,
        Before = Before,
        Goal = Goal,
        After = _after,
        Plan = _plan,
        Refusal = _refusal,
        Steps = [.. _results.Select(Final), .. Steps.Skip(_results.Count).Select(s => new ApplyStepResult(s, ApplyStepOutcome.NotTried, 0, null))],
        RollbackSteps = _rollbackResults,
        Error = Error,
        RollbackError = _rollbackError,
        Differences = _differences,
        LeftAlone = _leftAlone,
    };

    /// <summary>What is ours on the GPU now: what this run has made, and what was before, as far as it is there. All of it where that cannot be read.</summary>
    public IReadOnlyList<GpuInstanceSnapshot> GetOwn(IReadOnlyList<GpuInstanceSnapshot> before)
    {
        List<GpuInstanceSnapshot> own = LayoutSteps.Union(LayoutSteps.Union(_made, before), _unknown is { } last ? LayoutSteps.CreatedBy([last.Step]) : []);
        return _after is null ? own : LayoutSteps.Present(own, _after);
    }

    /// <summary>Keeps in mind what a step has made: the GPU instance, or the compute instance that was not there before.</summary>
    private void RememberMade(LayoutStep step, GpuSnapshot before)
    {
        if (!step.IsCreate)
            return;
        int index = _made.FindIndex(step.GpuInstance!.IsAt);
        if (step.ComputeInstance is null)
        {
            if (index < 0)
                _made.Add(step.GpuInstance with { ComputeInstances = [] });
            return;
        }

        HashSet<int?> known = [.. before.Instances.FirstOrDefault(step.GpuInstance.IsAt)?.ComputeInstances.Select(c => c.Id) ?? []];
        ComputeInstanceSnapshot? made = _now!.ToSnapshot(_geometry).Instances.FirstOrDefault(step.GpuInstance.IsAt)?.ComputeInstances
            .FirstOrDefault(c => !known.Contains(c.Id) && step.ComputeInstance.Describes(c));
        if (made is null)
            return;
        if (index < 0)
            _made.Add(step.GpuInstance with { ComputeInstances = [made] });
        else
            _made[index] = _made[index] with { ComputeInstances = [.. _made[index].ComputeInstances, made] };
    }

    /// <summary>Now that the GPU can be read: a step that failed may have taken effect.</summary>
    private void LearnWhatBecameOfTheLast()
    {
        if (_unknown is not { } last)
            return;
        _unknown = null;
        if (!HasTakenEffect(last.Step, last.Before, _now!.ToSnapshot(_geometry), last.Error))
            return;
        RememberMade(last.Step, last.Before);
        _results[^1] = _results[^1] with { Outcome = ApplyStepOutcome.Done };
    }

    /// <summary>What became of a step that was done once it was to be undone.</summary>
    private ApplyStepResult Final(ApplyStepResult result) =>
        _wasRolledBack && result.Outcome == ApplyStepOutcome.Done
            ? result with { Outcome = _after is null || result.Step.IsInEffect(_after) ? ApplyStepOutcome.Left : ApplyStepOutcome.Undone }
            : result;

    /// <summary>Without the places of compute instances where the driver cannot be told them (R470): what it chose is compared in the end.</summary>
    private IReadOnlyList<LayoutStep> ForDriver(IReadOnlyList<LayoutStep> steps) =>
        gpu.Has("nvmlGpuInstanceCreateComputeInstanceWithPlacement") ? steps : [.. steps.Select(s => s.Kind == LayoutStepKind.CreateComputeInstance
            ? s with { ComputeInstance = s.ComputeInstance! with { Placement = null } }
            : s)];

    private void SetSteps(IReadOnlyList<LayoutStep> steps, GpuSnapshot goal)
    {
        Steps = ForDriver(steps);
        Goal = goal;
        Outcome = steps.Count == 0 ? ApplyOutcome.Unchanged : ApplyOutcome.NotTried;
    }

    /// <summary>A process on the GPU as a whole: no first instance can be created beside it, and its mode is not changed under it.</summary>
    private void ThrowIfUsedAsAWhole()
    {
        GpuProcess[] users = [.. _now!.UsersOf(null, null).DistinctBy(u => u.ProcessId)];
        if (users.Length > 0 && Steps.FirstOrDefault(s => s.IsModeChange || s.Kind == LayoutStepKind.CreateGpuInstance) is { } step)
            throw new NvmlInUseException(NvmlReturnCode.InUse, FunctionOf(step), $"{gpu} is in use as a whole by {string.Join(" and ", users)} and cannot be divided.");
    }

    private NvmlInsufficientResourcesException? Blocked(LayoutWay way) =>
        way.Blocked.Count == 0 ? null : new NvmlInsufficientResourcesException(
            NvmlReturnCode.InsufficientResources, "nvmlDeviceCreateGpuInstanceWithPlacement", $"{gpu} cannot get to its layout. {string.Join(" ", way.Blocked)}");

    /// <summary>
    /// What keeps a step from being done and is not waited for: who uses the instance that it destroys, or instances under the mode that it
    /// ends. Null if there is nothing.
    /// </summary>
    private NvmlInUseException? FindInTheWay(LayoutStep step, Exception? failure)
    {
        if (step.Kind == LayoutStepKind.DisableMig && _now!.ToSnapshot(_geometry).Instances is { Count: > 0 } there)
        {
            return new NvmlInUseException(NvmlReturnCode.InUse, FunctionOf(step), $"MIG cannot be disabled on {gpu}: {string.Join(" and ", there)} is there.", failure)
            {
                IsTransient = false,
            };
        }

        if (!step.IsDestroy
            || _now!.Find(step.GpuInstance!) is not { } instance
            || _waitFor is null || _waitFor.Contains(instance.Id))
        {
            return null;
        }

        GpuProcess[] users = [.. _now.UsersOf(instance.Id, step.ComputeInstance?.Id).DistinctBy(u => u.ProcessId)];
        return users.Length == 0 ? null : new NvmlInUseException(
            NvmlReturnCode.InUse, FunctionOf(step), $"{step.GpuInstance} of {gpu} is in use by {string.Join(" and ", users)} and in the way.", failure);
    }

    /// <summary>Does the steps in order. Null if all were done; else the first failure. A way back goes on past it: each step counts.</summary>
    private Exception? Run(IReadOnlyList<LayoutStep> steps, List<ApplyStepResult> results, bool isRollback, CancellationToken cancellationToken)
    {
        Exception? error = null;
        for (int i = 0; i < steps.Count; i++)
        {
            if (cancellationToken.IsCancellationRequested)
                return new OperationCanceledException("It was cancelled.", cancellationToken);
            // What was to hold an id and was never made is not there to be destroyed: what has the id is something else.
            if (steps[i] is { HoldsId: true, Kind: LayoutStepKind.DestroyComputeInstance } && results.FindLast(r => IsMakingOf(r.Step, steps[i])) is { Outcome: not ApplyStepOutcome.Done })
            {
                results.Add(new ApplyStepResult(steps[i], ApplyStepOutcome.NotTried, 0, null));
                continue;
            }

            context.Report(new ApplyProgress(gpu, steps[i], i + 1, steps.Count, isRollback));
            ApplyStepResult result;
            GpuSnapshot before = _now!.ToSnapshot(_geometry);
            try
            {
                result = Try(steps[i], before, cancellationToken);
            }
#pragma warning disable CA1031 // As for what a step throws: what comes of it is in the result, and the way back is taken.
            catch (Exception e)
#pragma warning restore CA1031
            {
                result = new ApplyStepResult(steps[i], ApplyStepOutcome.Failed, 1, e);
                _unknown = (steps[i], before, e);
            }

            // The way back looks at the GPU itself, and not at what its steps say.
            if (isRollback)
                _unknown = null;
            results.Add(result);
            if (result.Outcome == ApplyStepOutcome.Done)
            {
                RememberMade(steps[i], before);
                continue;
            }

            // What would have been tried again, had nobody cancelled it, has not failed yet.
            error ??= result.Error is NvmlException { IsTransient: true } transient && cancellationToken.IsCancellationRequested
                ? new OperationCanceledException($"It was cancelled. {transient.Message}", transient, cancellationToken)
                : result.Error;
            if (!isRollback)
                return error;
        }

        return error;
    }

    private static bool IsMakingOf(LayoutStep step, LayoutStep end) =>
        step is { HoldsId: true, Kind: LayoutStepKind.CreateComputeInstance } && step.GpuInstance!.IsAt(end.GpuInstance!) && step.ComputeInstance!.Id == end.ComputeInstance!.Id;

    /// <summary>Does a step, more than once if it fails for a reason that may pass.</summary>
    private ApplyStepResult Try(LayoutStep step, GpuSnapshot atFirst, CancellationToken cancellationToken)
    {
        Exception? error = null;
        long started = Stopwatch.GetTimestamp();
        TimeSpan pause = context.Options.RetryDelay;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                Do(step, cancellationToken);
                return new ApplyStepResult(step, ApplyStepOutcome.Done, attempt, error);
            }
#pragma warning disable CA1031 // Whatever failed, the GPU must not be left as it is by chance: the caller takes it back.
            catch (Exception e)
#pragma warning restore CA1031
            {
                error = e;
            }

            try
            {
                GpuSnapshot before = _now!.ToSnapshot(_geometry);
                _now = ReadAgain(() => LiveLayout.Read(gpu, SnapshotParts.Users), cancellationToken);
                _justCreated = null;
                if (HasTakenEffect(step, before, _now.ToSnapshot(_geometry), error))
                    return new ApplyStepResult(step, ApplyStepOutcome.Done, attempt, error);
                // Who came after the plan was made is not waited out to take the instance when he is done.
                if (error is NvmlException { IsTransient: true } && FindInTheWay(step, error) is { } inTheWay)
                    return new ApplyStepResult(step, ApplyStepOutcome.Failed, attempt, inTheWay);
                if (!_quiesced && IsHeldInvisibly(step, error) && context.Quiesce(cancellationToken))
                {
                    _quiesced = true;
                    started = Stopwatch.GetTimestamp();
                    continue;
                }
            }
#pragma warning disable CA1031 // As above: what failed first is what is told.
            catch (Exception)
#pragma warning restore CA1031
            {
                _unknown = (step, atFirst, error);
                return new ApplyStepResult(step, ApplyStepOutcome.Failed, attempt, error);
            }

            if (error is not NvmlException { IsTransient: true } || context.Options.IsOver(started) || cancellationToken.WaitHandle.WaitOne(pause))
                return new ApplyStepResult(step, ApplyStepOutcome.Failed, attempt, IsHeldInvisibly(step, error) ? HeldInvisibly((NvmlException)error) : error);
            pause = TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, ApplyOptions.MaxRetryDelay.Ticks));
        }
    }

    private void Do(LayoutStep step, CancellationToken cancellationToken)
    {
        LiveLayout now = _now!;
        switch (step.Kind)
        {
            case LayoutStepKind.EnableMig or LayoutStepKind.DisableMig:
                SetMode(step.Kind == LayoutStepKind.EnableMig, step.Mode, cancellationToken);
                break;
            case LayoutStepKind.DestroyComputeInstance:
                ComputeInstance inside = now.Find(step.GpuInstance!, step.ComputeInstance!) ?? throw Gone(step);
                inside.Destroy();
                now.Remove(inside);
                break;
            case LayoutStepKind.DestroyGpuInstance:
                GpuInstance instance = now.Find(step.GpuInstance!) ?? throw Gone(step);
                instance.Destroy();
                now.Remove(instance);
                break;
            case LayoutStepKind.CreateGpuInstance:
                _justCreated = gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile(step.GpuInstance!.Profile.Id), step.GpuInstance.Placement);
                now.Add(_justCreated);
                break;
            default:
                GpuInstance parent = now.Find(step.GpuInstance!) ?? throw Gone(step);
                IReadOnlyList<ComputeInstanceProfile> profiles = context.GetComputeProfiles(parent);
                ComputeInstanceProfile profile = FindProfile(parent, profiles, step);
                now.Add(parent.CreateComputeInstance(profile, step.ComputeInstance!.Placement, isJustCreated: parent == _justCreated));
                break;
        }
    }

    private static ComputeInstanceProfile FindProfile(GpuInstance parent, IReadOnlyList<ComputeInstanceProfile> profiles, LayoutStep step)
    {
        ComputeInstanceSnapshot wanted = step.ComputeInstance!;
        // Several profiles with as many slices: all of them the one with the most multiprocessors, as the default; some of them the plain one.
        ComputeInstanceProfile? found =
            wanted.Profile is { } known ? profiles.FirstOrDefault(p => p.Id == known.Id)
            : wanted.SliceCount == parent.Profile.SliceCount ? profiles.Where(p => p.SliceCount == wanted.SliceCount).OrderByDescending(p => p.MultiprocessorCount).ThenBy(p => p.Number).FirstOrDefault()
            : profiles.Where(p => p.SliceCount == wanted.SliceCount).MinBy(p => p.Number);
        return found ?? throw new NvmlException(
            NvmlReturnCode.InvalidArgument,
            "nvmlGpuInstanceGetComputeInstanceProfileInfoV",
            $"{parent} has no compute instance profile for {wanted.Name}. It has: {string.Join(", ", profiles.Select(p => $"{p.Name} ({p.Id})"))}.");
    }

    private void SetMode(bool enabled, MigMode target, CancellationToken cancellationToken)
    {
        MigModeChange change = enabled ? gpu.EnableMig() : gpu.DisableMig();
        string act = enabled ? "enabled" : "disabled";
        if (target.Current != target.Pending)
        {
            MigMode reached = gpu.GetMigMode();
            if (reached != target)
                throw new NvmlException(NvmlReturnCode.InvalidState, "nvmlDeviceSetMigMode", $"MIG mode of {gpu} is {reached} and not, as it was recorded, {target}.");
            _now!.Set(reached);
            return;
        }

        if (change.Outcome == MigModeOutcome.Activated)
        {
            _now!.Set(target);
            return;
        }

        bool isInUse = change.Reason == NvmlReturnCode.InUse;
        bool canQuiesce = !_quiesced && context.CanQuiesce;
        if (change.Outcome == MigModeOutcome.Pending && context.Options.ResetGpu is { } reset && !(isInUse && canQuiesce))
        {
            if (canQuiesce)
                _quiesced = context.Quiesce(cancellationToken);
            // A reset takes along what stands there by now.
            if (!enabled)
                _now = LiveLayout.Read(gpu, SnapshotParts.Users);
            if (FindInTheWay(LayoutStep.SetMode(enabled, target), null) is { } inTheWay)
                throw inTheWay;
            reset(gpu, cancellationToken).GetAwaiter().GetResult();
            MigMode mode = gpu.GetMigMode();
            if (mode == target)
            {
                _now!.Set(mode);
                return;
            }
        }

        throw isInUse
            ? new NvmlInUseException(
                NvmlReturnCode.InUse, "nvmlDeviceSetMigMode", $"MIG cannot be {act} on {gpu} ({change}): something still uses it, a process or a monitoring service. End that first.")
            : new NvmlResetRequiredException(
                NvmlReturnCode.ResetRequired, "nvmlDeviceSetMigMode", $"MIG can be {act} on {gpu} only by a GPU reset or a reboot ({change}). Nothing is reset unless that is asked for.");
    }

    /// <summary>
    /// Whether a call that failed has done its work all the same: what it was to create or destroy has come or gone since it was last known.
    /// </summary>
    private static bool HasTakenEffect(LayoutStep step, GpuSnapshot before, GpuSnapshot now, Exception error) => step.Kind switch
    {
        // The driver says that it created nothing since the place was taken: what stands there is somebody else's, however alike.
        LayoutStepKind.CreateGpuInstance or LayoutStepKind.CreateComputeInstance when error is NvmlInsufficientResourcesException => false,
        LayoutStepKind.CreateComputeInstance when error is NvmlInUseException && step.ComputeInstance!.Placement is not null => false,
        // Another one like it may have been there before.
        LayoutStepKind.CreateComputeInstance => CountAlike(step, now) > CountAlike(step, before),
        _ => step.IsInEffect(now),
    };

    private static int CountAlike(LayoutStep step, GpuSnapshot layout) =>
        layout.Instances.FirstOrDefault(step.GpuInstance!.IsAt)?.ComputeInstances.Count(step.ComputeInstance!.Describes) ?? 0;

    /// <summary>Whether something is in use, and NVML shows nobody who uses it.</summary>
    private bool IsHeldInvisibly(LayoutStep step, Exception error) =>
        error is NvmlInUseException { IsTransient: true }
        && (step.Kind == LayoutStepKind.CreateComputeInstance || step.IsModeChange
            ? _now!.Processes.Count == 0
            : !_now!.UsersOf(step.Kind == LayoutStepKind.CreateGpuInstance ? null : step.GpuInstance!.Id, step.ComputeInstance?.Id).Any());

    /// <summary>The same failure with those who have the GPU's device file open: they are all that can be known.</summary>
    private NvmlInUseException HeldInvisibly(NvmlException error)
    {
        string who = "";
        try
        {
            int minor = gpu.MinorNumber;
            GpuClient[] holders = [.. GpuClients.Find().Clients.Where(h => !h.IsSelf && h.GpuMinors.Contains(minor))];
            if (holders.Length > 0)
                who = $" {string.Join(" and ", holders.AsEnumerable())} has its device file open.";
        }
        catch (Exception e) when (e is NvmlException or IOException or UnauthorizedAccessException)
        {
            // What cannot be explained must not hide what failed.
        }

        return new NvmlInUseException(error.Code, error.Function, $"{error.Message} It is held by a client that NVML does not show.{who}") { IsTransient = true };
    }

    private Exception? Verify(CancellationToken cancellationToken)
    {
        context.Report(new ApplyProgress(gpu, null, Steps.Count, Steps.Count, IsRollback: false));
        try
        {
            _now = ReadAgain(() => LiveLayout.Read(gpu, SnapshotParts.Instances), cancellationToken);
            _after = _now.ToSnapshot(_geometry);
            IReadOnlyList<string> differences = _after.GetDifferencesFrom(Goal!);
            return differences.Count == 0
                ? null
                : new NvmlException(
                    NvmlReturnCode.InvalidState, "nvmlDeviceGetGpuInstances", $"No call failed, but {gpu} is not as it was to be, by somebody else's doing or the driver's: {string.Join(" ", differences)}");
        }
#pragma warning disable CA1031 // What cannot be read back is no success, whatever the reason.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return e;
        }
    }

    /// <summary>A reading that fails changes nothing: it is repeated once in any case, and as long as it may help.</summary>
    private LiveLayout ReadAgain(Func<LiveLayout> read, CancellationToken cancellationToken = default)
    {
        long started = Stopwatch.GetTimestamp();
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return read();
            }
            catch (NvmlException e) when (attempt == 1 || (e.IsTransient && !context.Options.IsOver(started)))
            {
                if (e.IsTransient && cancellationToken.WaitHandle.WaitOne(context.Options.RetryDelay))
                    throw;
            }
        }
    }

    private void Guard(Action act)
    {
        try
        {
            act();
        }
        catch (Exception e) when (e is NvmlException or PlanningException)
        {
            Error = e;
            Outcome = ApplyOutcome.Refused;
        }
    }

    private void ReportEnd() => context.Report(new ApplyProgress(gpu, null, Steps.Count, Steps.Count, Outcome is not ApplyOutcome.Applied, Outcome));

    private NvmlNotFoundException Gone(LayoutStep step) =>
        new(NvmlReturnCode.NotFound, FunctionOf(step), $"Cannot {step} of {gpu}: there is no such {(step.Kind == LayoutStepKind.DestroyComputeInstance ? "compute" : "GPU")} instance any more.");

    private static string FunctionOf(LayoutStep step) => step.Kind switch
    {
        LayoutStepKind.DestroyComputeInstance => "nvmlComputeInstanceDestroy",
        LayoutStepKind.DestroyGpuInstance => "nvmlGpuInstanceDestroy",
        LayoutStepKind.CreateGpuInstance => "nvmlDeviceCreateGpuInstanceWithPlacement",
        LayoutStepKind.CreateComputeInstance => "nvmlGpuInstanceCreateComputeInstance",
        _ => "nvmlDeviceSetMigMode",
    };
}
