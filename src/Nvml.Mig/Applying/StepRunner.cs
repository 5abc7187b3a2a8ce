using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>
/// Runs steps on a GPU, and decides what a failure means. After each the GPU is read: a call can fail after it took effect, and others can
/// change the GPU too.
/// </summary>
internal sealed class StepRunner
{
    private readonly LiveGpu _live;
    private readonly UseChecks _use;
    private readonly ApplyContext _context;
    private readonly StepExecutor _executor;
    private readonly List<GpuInstanceSnapshot> _created = [];

    /// <summary>The last step, if it failed and the GPU could not be read since; with what was known before it.</summary>
    private (LayoutStep Step, GpuSnapshot Before, Exception Error)? _unknown;

    public StepRunner(LiveGpu live, UseChecks use, ApplyContext context)
    {
        (_live, _use, _context) = (live, use, context);
        _executor = new StepExecutor(live, use, context);
    }

    /// <summary>The instances that this apply created, and nobody else: a rollback may destroy them.</summary>
    public IReadOnlyList<GpuInstanceSnapshot> Created => _created;

    /// <summary>The instances that the last step may have created, if its effect is not known.</summary>
    public IReadOnlyList<GpuInstanceSnapshot> PerhapsCreated => _unknown is { } last ? LayoutSteps.CreatedBy([last.Step]) : [];

    /// <summary>Runs steps in order. Null if all were done; else the first failure. A rollback continues after it.</summary>
    public async Task<Exception?> RunAsync(
        IReadOnlyList<LayoutStep> steps, List<ApplyStepResult> results, bool isRollback, CancellationToken cancellationToken)
    {
        Exception? error = null;
        for (int i = 0; i < steps.Count; i++)
        {
            if (cancellationToken.IsCancellationRequested)
                return new OperationCanceledException("It was cancelled.", cancellationToken);
            // A filler that was never created need not be destroyed: its id belongs to something else.
            if (steps[i] is { HoldsId: true, Kind: LayoutStepKind.DestroyComputeInstance }
                && results.FindLast(r => IsCreationOf(r.Step, steps[i])) is { Outcome: not ApplyStepOutcome.Done })
            {
                results.Add(new ApplyStepResult(steps[i], ApplyStepOutcome.NotTried, 0, null));
                continue;
            }

            _context.Report(new ApplyProgress(_live.Gpu, steps[i], i + 1, steps.Count, isRollback));
            GpuSnapshot before = _live.Snapshot;
            ApplyStepResult result;
            using (Operation span = Operation.Start("step"))
            {
                result = await TryAsync(steps[i], before, cancellationToken).ConfigureAwait(false);
                Describe(span, result);
            }

            // A rollback checks the GPU itself, not the results of its steps.
            if (isRollback)
                _unknown = null;
            results.Add(result);
            if (result.Outcome == ApplyStepOutcome.Done)
            {
                RememberMade(steps[i], before);
                continue;
            }

            // A step that would have been tried again, but for the cancellation, has not failed yet.
            error ??= result.Error is NvmlException { IsTransient: true } transient && cancellationToken.IsCancellationRequested
                ? new OperationCanceledException($"It was cancelled. {transient.Message}", transient, cancellationToken)
                : result.Error;
            if (!isRollback)
                return error;
        }

        return error;
    }

    /// <summary>Now that the GPU can be read: a step that failed may have taken effect.</summary>
    public void LearnWhatBecameOfTheLast(List<ApplyStepResult> results)
    {
        if (_unknown is not { } last)
            return;
        _unknown = null;
        if (!HasTakenEffect(last.Step, last.Before, _live.Snapshot, last.Error))
            return;
        RememberMade(last.Step, last.Before);
        results[^1] = results[^1] with { Outcome = ApplyStepOutcome.Done };
    }

    private void Describe(Operation span, ApplyStepResult result)
    {
        span.Describe("nvml.mig.step", result.Step.ToString());
        span.Describe("nvml.mig.attempts", result.Attempts);
        span.Describe("hw.id", _live.Gpu.Uuid);
        if (result is { Outcome: not ApplyStepOutcome.Done, Error: { } error })
            span.Fail(error);
    }

    private static bool IsCreationOf(LayoutStep step, LayoutStep end) =>
        step is { HoldsId: true, Kind: LayoutStepKind.CreateComputeInstance }
        && step.GpuInstance!.IsAt(end.GpuInstance!) && step.ComputeInstance!.Id == end.ComputeInstance!.Id;

    /// <summary>Tries a step, more than once if it fails for a reason that may pass.</summary>
    private async Task<ApplyStepResult> TryAsync(LayoutStep step, GpuSnapshot atFirst, CancellationToken cancellationToken)
    {
        Exception? error = null;
        Retry retry = _context.StartRetry();
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await _executor.DoAsync(step, cancellationToken).ConfigureAwait(false);
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
                GpuSnapshot before = _live.Snapshot;
                await _live.ReadAsync(SnapshotParts.Users, cancellationToken).ConfigureAwait(false);
                _executor.ForgetLastCreated();
                if (HasTakenEffect(step, before, _live.Snapshot, error))
                    return new ApplyStepResult(step, ApplyStepOutcome.Done, attempt, error);
                // Do not wait for processes that appeared after planning: their instance is not taken when they end.
                if (error is NvmlException { IsTransient: true } && _use.FindInTheWay(step, error) is { } inTheWay)
                    return new ApplyStepResult(step, ApplyStepOutcome.Failed, attempt, inTheWay);
                if (!_live.HasQuiesced && _use.IsHeldInvisibly(step, error)
                    && await _context.QuiesceAsync(cancellationToken).ConfigureAwait(false))
                {
                    _live.HasQuiesced = true;
                    retry.StartAgain();
                    continue;
                }
            }
#pragma warning disable CA1031 // As above: the first failure is the one to report.
            catch (Exception)
#pragma warning restore CA1031
            {
                _unknown = (step, atFirst, error);
                return new ApplyStepResult(step, ApplyStepOutcome.Failed, attempt, error);
            }

            if (!retry.IsWorthwhile(error) || !await _context.WaitAsync(retry.NextDelay(), cancellationToken).ConfigureAwait(false))
            {
                Exception reported = _use.IsHeldInvisibly(step, error) ? _use.NameHolders((NvmlException)error) : error;
                return new ApplyStepResult(step, ApplyStepOutcome.Failed, attempt, reported);
            }
        }
    }

    /// <summary>
    /// Whether a call that failed has done its work all the same: what it was to create or destroy has come or gone since it was last
    /// known.
    /// </summary>
    private static bool HasTakenEffect(LayoutStep step, GpuSnapshot before, GpuSnapshot now, Exception error) => step.Kind switch
    {
        // The driver created nothing, since the place was taken: another client created the instance there, however alike.
        LayoutStepKind.CreateGpuInstance or LayoutStepKind.CreateComputeInstance when error is NvmlInsufficientResourcesException
            && StepExecutor.IsAnswerTo(step, error) => false,
        LayoutStepKind.CreateComputeInstance
            when error is NvmlInUseException && StepExecutor.IsAnswerTo(step, error) && step.ComputeInstance!.Placement is not null =>
                false,
        // Another one like it may have been there before.
        LayoutStepKind.CreateComputeInstance => CountAlike(step, now) > CountAlike(step, before),
        _ => step.IsInEffect(now),
    };

    private static int CountAlike(LayoutStep step, GpuSnapshot snapshot) =>
        snapshot.Find(step.GpuInstance!)?.ComputeInstances.Count(step.ComputeInstance!.Describes) ?? 0;

    /// <summary>Remembers what a step created: the GPU instance, or the compute instance that was not there before.</summary>
    private void RememberMade(LayoutStep step, GpuSnapshot before)
    {
        if (!step.IsCreate)
            return;
        int index = _created.FindIndex(step.GpuInstance!.IsAt);
        if (step.ComputeInstance is null)
        {
            if (index < 0)
                _created.Add(step.GpuInstance with { ComputeInstances = [] });
            return;
        }

        HashSet<int?> known = [.. before.Find(step.GpuInstance)?.ComputeInstances.Select(c => c.Id) ?? []];
        ComputeInstanceSnapshot? created = _live.Snapshot.Find(step.GpuInstance)?.ComputeInstances
            .FirstOrDefault(c => !known.Contains(c.Id) && step.ComputeInstance.Describes(c));
        if (created is null)
            return;
        if (index < 0)
            _created.Add(step.GpuInstance with { ComputeInstances = [created] });
        else
            _created[index] = _created[index] with { ComputeInstances = [.. _created[index].ComputeInstances, created] };
    }
}
