using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>Applies layouts to GPUs.</summary>
internal sealed class ApplyRun : LayoutRun
{
    private readonly IReadOnlyList<GpuTarget> _targets;

    public ApplyRun(ApplyContext context, IReadOnlyList<GpuTarget> targets)
        : base(context)
    {
        HashSet<string> named = [];
        foreach (GpuTarget target in targets)
        {
            if (TryGetUuid(target.Gpu) is { } uuid && !named.Add(uuid))
                throw new ArgumentException($"{target.Gpu} is to become two things at once.", nameof(targets));
            if (target is { MigEnabled: false, Layout.Items.Count: > 0 })
                throw new ArgumentException(
                    $"{target.Gpu} is to have {target.Layout} with MIG disabled: instances need it enabled.", nameof(targets));
        }

        _targets = targets;
        Gpus = [.. targets.Select(t => new GpuTransaction(t.Gpu, context))];
    }

    /// <summary>A dry run does not take the right to read the journal: without it, it is not known what a dead apply has begun.</summary>
    protected override JournalEntry? Peek(string folder)
    {
        try
        {
            return base.Peek(folder);
        }
        catch (JournalException e) when (e.InnerException is UnauthorizedAccessException)
        {
            return null;
        }
    }

    protected override async Task PrepareAsync(CancellationToken cancellationToken)
    {
        await Context.OnEachAsync(Gpus, gpu => gpu.ReadAsync(SnapshotParts.All, cancellationToken)).ConfigureAwait(false);
        (GpuTransaction Gpu, GpuTarget Target)[] readable = [.. Gpus.Zip(_targets).Where(r => r.First.Error is null)];
        GpuGeometry?[] geometries = GpuDevice.ShareGeometries([.. readable.Select(r => r.Gpu.Profiles)], out PlanningException?[] errors);
        for (int i = 0; i < readable.Length; i++)
        {
            (GpuTransaction gpu, GpuTarget target) = readable[i];
            if (geometries[i] is { } geometry)
                gpu.Plan(geometry, target, Last.FindUnfinished(gpu.Gpu.Uuid));
            else
                gpu.Refuse(errors[i]!);
        }
    }

    protected override JournalEntry Begin() => !Changing.Any() ? Last : JournalEntry.Empty() with
    {
        Gpus = [
            .. Last.Gpus.Where(g => !g.IsFinished && Find(g) is null),
            .. _targets.Zip(Gpus)
                .Where(t => t.Second.Before is not null)
                .Select(t => ToJournal(t.First, t.Second))
                .Where(g => !g.IsFinished)],
    };

    /// <summary>A failure stops the other GPUs or does not.</summary>
    protected override async Task ChangeAsync(CancellationToken cancellationToken)
    {
        bool allOrNothing = Context.Options.AllOrNothing;
        GpuTransaction[] changing = [.. Changing];
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Context.OnEachAsync(changing, async gpu =>
        {
            await gpu.ExecuteAsync(stop.Token).ConfigureAwait(false);
            if (gpu.Error is null)
                return;
            // Not Cancel: a callback on the token is the caller's, and must not keep this GPU from its rollback.
            if (allOrNothing)
                _ = stop.CancelAsync();
            await gpu.RollBackAsync().ConfigureAwait(false);
        }).ConfigureAwait(false);

        // A GPU that was stopped reports a cancellation: the cause is a failure elsewhere, if there is one.
        GpuTransaction? cause = Array.Find(changing, g => g.Error is not null and not OperationCanceledException)
            ?? Array.Find(changing, g => g.Error is not null);
        if (!allOrNothing || cause is null)
            return;
        OperationCanceledException why = cause.Error as OperationCanceledException
            ?? new OperationCanceledException($"{cause.Gpu} failed, and it was to be all or nothing.", cause.Error);
        await Context.OnEachAsync(
            changing.Where(g => g.Outcome is ApplyOutcome.Applied or ApplyOutcome.Pending),
            gpu => gpu.RollBackAsync()).ConfigureAwait(false);
        foreach (GpuTransaction stopped in changing.Where(g => g != cause))
            stopped.SetCause(why);
    }

    // If all is as it was, the journal is as if this apply had not been: the one before can still be rolled back, on all its GPUs.
    protected override JournalEntry Close(JournalEntry written) =>
        Gpus.Any(g => g.Outcome is ApplyOutcome.Applied or ApplyOutcome.Pending or ApplyOutcome.NotRestored)
            ? written.Change([.. Readable], CloseChanged)
            : Last.Change([.. Readable], (gpu, was) => gpu.Outcome == ApplyOutcome.Unchanged && !was.IsFinished
                ? was with { IsFinished = true, Own = OwnBefore(gpu) }
                : was);

    /// <summary>A GPU that was rolled back is as it was before: finished, or as a dead apply had left it.</summary>
    private JournalGpu? CloseChanged(GpuTransaction gpu, JournalGpu was) => gpu.Outcome switch
    {
        ApplyOutcome.Applied or ApplyOutcome.Unchanged or ApplyOutcome.Pending => was with { IsFinished = true },
        ApplyOutcome.NotRestored => was with { Own = gpu.GetOwn(OwnBefore(gpu)) },
        _ => Last.Find(was.Uuid),
    };

    private JournalGpu ToJournal(GpuTarget target, GpuTransaction gpu)
    {
        JournalGpu? unfinished = Last.FindUnfinished(gpu.Gpu.Uuid);
        return new JournalGpu(
            gpu.Gpu.Uuid,
            target.Layout?.ToString(),
            unfinished?.Before ?? gpu.Before!,
            gpu.Goal!,
            LayoutSteps.Union(LayoutSteps.CreatedBy(gpu.Steps), OwnBefore(gpu)),
            IsFinished: gpu.Steps.Count == 0 && unfinished is null);
    }

    /// <summary>Null for a GPU that does not answer: the result of that GPU has the reason.</summary>
    private static string? TryGetUuid(GpuDevice gpu)
    {
        try
        {
            return gpu.Uuid;
        }
        catch (NvmlException)
        {
            return null;
        }
    }
}
