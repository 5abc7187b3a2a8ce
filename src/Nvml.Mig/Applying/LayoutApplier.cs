using System.Diagnostics.CodeAnalysis;
using Nvml.Mig.Host;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>
/// Divides GPUs: what is wanted is there afterwards, read back and compared, or what was there before is there again, or the result says
/// exactly what is neither.
/// </summary>
/// <remarks>
/// <para>
/// Before the first change everything is read and planned. If anything on any GPU is impossible, or an instance in use is in the way, all
/// of it is refused. Then the layout is recorded on disk, so that after a death at any moment the same apply leads on and
/// <see cref="RollbackAsync"/> leads back. GPUs are changed side by side, each in the plan's order.
/// </para>
/// <para>
/// When a call fails, the GPU is read: if the call took effect all the same, its step is done. A failure that may pass
/// (<see cref="NvmlException.IsTransient"/>) is tried again, see <see cref="ApplyOptions.Timeout"/>. With any other the GPU goes back to
/// what stood there: the same instances in the same places, with the same UUIDs. What the plan neither made nor named is left alone, and
/// nothing in use is destroyed: the driver refuses that. Nor is a job waited out that began after the plan was made: its instance stays,
/// also on the way back, where <see cref="GpuApplyResult.Differences"/> then names it.
/// </para>
/// <para>
/// A cancellation lets the call under way end. GPUs that are not done are taken back, with <see cref="ApplyOptions.AllOrNothing"/> those
/// that are done too; the way back is not cancelled.
/// </para>
/// <para>Creating and destroying takes root or the MIG config capability.</para>
/// </remarks>
/// <example>
/// <code>
/// LayoutSpec wish = LayoutSpec.Parse("3g.20gb,1g.5gb*3");
/// ApplyResult result = await LayoutApplier.ApplyAsync([.. session.Devices.Select(gpu => new GpuTarget(gpu, wish))]);
/// foreach (GpuApplyResult gpu in result.Gpus)
///     Console.WriteLine(gpu.Outcome);
/// </code>
/// </example>
public static class LayoutApplier
{
    /// <summary>Applies layouts.</summary>
    /// <param name="targets">The GPUs to change, each once, and what they are to become.</param>
    /// <param name="options">How; by default for a real machine.</param>
    /// <param name="progress">Hears of each step before it is done, from the threads that do them.</param>
    /// <param name="cancellationToken">Ends it at the next safe point: see the remarks.</param>
    /// <returns>What came of it on each GPU. What goes wrong on a GPU is in the result and not thrown.</returns>
    /// <exception cref="ArgumentException">A GPU is named twice, or is to have instances with MIG disabled; or the options contradict themselves or are out of range.</exception>
    /// <exception cref="JournalException">Another applier works, or the layout cannot be recorded. Nothing was changed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the first change.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed before the first change.</exception>
    public static async Task<ApplyResult> ApplyAsync(
        IReadOnlyList<GpuTarget> targets, ApplyOptions? options = null, IProgress<ApplyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(targets);
        Check(targets);
        options ??= new ApplyOptions();
        Check(options);
        ApplyContext context = new(options, progress);
        using Journal? folder = options.DryRun ? null : Journal.Take(options.JournalFolder);
        JournalEntry last = (folder is null ? PeekIfAllowed(options.JournalFolder) : folder.Load()) ?? JournalEntry.Empty();
        GpuRun[] runs = [.. targets.Select(t => new GpuRun(t.Gpu, context))];

        await OnEach(runs, run => run.Read(withProfiles: true, cancellationToken)).ConfigureAwait(false);
        Plan(targets, runs, last);
        if (folder is null || Array.Exists(runs, r => r.Outcome == ApplyOutcome.Refused))
            return await EndWithoutChangeAsync(runs, context).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();

        GpuRun[] changing = [.. runs.Where(r => r.Steps.Count > 0)];
        JournalGpu[] recorded = [.. targets.Zip(runs, (target, run) => ToRecord(target, run, last))];
        JournalEntry written = JournalEntry.Empty() with
        {
            Gpus = [
                .. last.Gpus.Where(g => !g.IsFinished && !Array.Exists(runs, r => r.Gpu.Uuid == g.Uuid)),
                .. recorded.Where(g => !g.IsFinished)],
        };
        if (changing.Length > 0)
            folder.Save(written);

        await ChangeAsync(changing, options, cancellationToken).ConfigureAwait(false);
        // If all is as it was, it is as if this apply had not been: the one before can be taken back still, on all its GPUs.
        JournalEntry closed = Array.Exists(runs, r => r.Outcome is ApplyOutcome.Applied or ApplyOutcome.NotRestored)
            ? Close(written, runs, CloseOne)
            : Close(last, runs, (run, was) => [run.Outcome == ApplyOutcome.Unchanged && !was.IsFinished ? was with { IsFinished = true, Own = OwnBefore(run, last) } : was]);
        return await EndAsync(folder, changing.Length > 0 ? written : last, closed, runs, context).ConfigureAwait(false);

        // Who was taken back is as it was before: finished, or as a dead apply had left it.
        IEnumerable<JournalGpu> CloseOne(GpuRun run, JournalGpu was) => run.Outcome switch
        {
            ApplyOutcome.Applied or ApplyOutcome.Unchanged => [was with { IsFinished = true }],
            ApplyOutcome.NotRestored => [was with { Own = run.GetOwn(OwnBefore(run, last)) }],
            _ => last.Find(was.Uuid) is { } before ? [before] : [],
        };
    }

    /// <summary>
    /// Takes the GPUs of the last apply back to what was recorded before it: after a death in the middle, and after a success. Instances
    /// that the apply did not make are left alone; if they are in the way, or something to be destroyed is in use, it is refused.
    /// </summary>
    /// <param name="session">A session on the machine that was recorded.</param>
    /// <param name="gpus">Of the recorded GPUs only these; null: all of them.</param>
    /// <param name="options">How; <see cref="ApplyOptions.AllOrNothing"/> does not matter here.</param>
    /// <param name="progress">As for <see cref="ApplyAsync"/>.</param>
    /// <param name="cancellationToken">
    /// Ends it at the next safe point. What is not done then is in the result, and can be done by calling it again.
    /// </param>
    /// <returns>
    /// What came of it on each GPU; none if nothing is recorded that was not taken back already. A GPU that fails is left as it is, and said
    /// so. One that cannot be reached keeps no other from being taken back: it stays recorded, and is the <see cref="ApplyResult.Error"/>.
    /// </returns>
    /// <exception cref="JournalException">Another applier works, or the record cannot be read. Nothing was changed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the first change.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public static async Task<ApplyResult> RollbackAsync(
        NvmlSession session,
        IReadOnlyCollection<GpuDevice>? gpus = null,
        ApplyOptions? options = null,
        IProgress<ApplyProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        options ??= new ApplyOptions();
        Check(options);
        ApplyContext context = new(options, progress);
        using Journal? folder = options.DryRun ? null : Journal.Take(options.JournalFolder);
        JournalEntry? record = folder is null ? Journal.Peek(options.JournalFolder) : folder.Load();
        List<(GpuRun Run, JournalGpu Recorded)> all = [];
        List<Exception> beside = [];
        HashSet<string>? named = gpus is null ? null : [];
        foreach (GpuDevice gpu in gpus ?? [])
        {
            if (GetUuid(gpu, out NvmlException? failure) is { } uuid)
                named!.Add(uuid);
            else
                beside.Add(NotTakenBack($"{gpu}", failure!));
        }

        foreach (JournalGpu recorded in (record?.Gpus ?? []).Where(g => named?.Contains(g.Uuid) != false))
        {
            try
            {
                all.Add((new GpuRun(session.GetDevice(recorded.Uuid), context), recorded));
            }
            catch (NvmlException e)
            {
                beside.Add(NotTakenBack($"GPU {recorded.Uuid}", e));
            }
        }

        await OnEach(all.Select(r => r.Run), run => run.Read(withProfiles: false, cancellationToken)).ConfigureAwait(false);
        beside.AddRange(all.Where(r => r.Run.Error is not null).Select(r => NotTakenBack($"GPU {r.Recorded.Uuid}", (NvmlException)r.Run.Error!)));
        all.RemoveAll(r => r.Run.Error is not null);
        GpuRun[] runs = [.. all.Select(r => r.Run)];
        foreach ((GpuRun run, JournalGpu recorded) in all)
            run.PlanExact(recorded.Before, recorded.Own, []);
        if (folder is null || Array.Exists(runs, r => r.Outcome == ApplyOutcome.Refused))
            return await EndWithoutChangeAsync(runs, context).ConfigureAwait(false) with { Error = AsOne(beside) };
        cancellationToken.ThrowIfCancellationRequested();

        GpuRun[] changing = [.. runs.Where(r => r.Steps.Count > 0)];
        if (record is not null && changing.Length > 0)
        {
            // Until it is done, it is neither the one nor the other. What only holds an id meanwhile is ours too.
            record = Close(record, changing, (run, was) => [was with { IsFinished = false, Own = LayoutSteps.Union(was.Own, LayoutSteps.CreatedBy(run.Steps)) }]);
            folder.Save(record);
        }

        await OnEach(changing, run =>
        {
            run.Execute(cancellationToken);
            if (run.Error is not null)
                run.Leave();
        }).ConfigureAwait(false);
        // What is taken back is done with: what stands there from now on is not this apply's.
        JournalEntry? closed = Close(record, runs, (run, was) => run.Outcome is ApplyOutcome.Applied or ApplyOutcome.Unchanged ? [] : [was with { Own = run.GetOwn(was.Own) }]);
        ApplyResult result = await EndAsync(folder, record, closed, runs, context).ConfigureAwait(false);
        if (result.Error is { } open)
            beside.Insert(0, open);
        return result with { Error = AsOne(beside) };
    }

    /// <summary>
    /// Lends an empty GPU to code that creates and destroys instances on it, or switches its MIG mode, as it likes: to measure, or to try
    /// something out. However that ends, the GPU is empty again afterwards and in the mode that it was in. Processes that the use leaves
    /// have <see cref="ApplyOptions.Timeout"/> to end.
    /// </summary>
    /// <remarks>
    /// A GPU with instances or processes is refused, and one that a change left in the middle. It is recorded as by <see cref="ApplyAsync"/>,
    /// and other appliers are excluded: after a death <see cref="RollbackAsync"/> leads back. Until then whatever stands on the GPU counts
    /// as made by this, and after <see cref="ApplyOutcome.NotRestored"/> what is left. Once the GPU is as it was, the record of the last apply is there again.
    /// </remarks>
    /// <param name="gpu">The GPU.</param>
    /// <param name="use">
    /// What to do with it, on a thread of its own; the token is <paramref name="cancellationToken"/>. When the task that it returns has
    /// ended, the GPU is taken back.
    /// </param>
    /// <param name="options">How; with <see cref="ApplyOptions.DryRun"/> it is only checked whether the GPU can be lent.</param>
    /// <param name="progress">Hears of the steps of the way back.</param>
    /// <param name="cancellationToken">For <paramref name="use"/>. The way back is not cancelled.</param>
    /// <returns>
    /// <see cref="ApplyOutcome.Applied"/> if it was used and is as it was, <see cref="ApplyOutcome.RolledBack"/> if it is so though the use
    /// failed, with what it threw; else <see cref="ApplyOutcome.NotRestored"/> or <see cref="ApplyOutcome.Refused"/>, or
    /// <see cref="ApplyOutcome.Unchanged"/> if it was only checked.
    /// </returns>
    /// <exception cref="JournalException">Another applier works, or the layout cannot be recorded. Nothing was changed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the GPU was lent.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed before the GPU was lent.</exception>
    public static async Task<ApplyResult> RunExclusivelyAsync(
        GpuDevice gpu, Func<CancellationToken, Task> use, ApplyOptions? options = null, IProgress<ApplyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        ArgumentNullException.ThrowIfNull(use);
        options ??= new ApplyOptions();
        Check(options);
        ApplyContext context = new(options, progress);
        using Journal? folder = options.DryRun ? null : Journal.Take(options.JournalFolder);
        JournalEntry last = (folder is null ? Journal.Peek(options.JournalFolder) : folder.Load()) ?? JournalEntry.Empty();
        GpuRun[] runs = [new GpuRun(gpu, context)];
        GpuRun run = runs[0];

        await OnEach(runs, _ => run.Read(withProfiles: true, cancellationToken)).ConfigureAwait(false);
        if (run.Error is null)
            run.RequireEmpty(last.FindUnfinished(gpu.Uuid));
        if (run.Outcome == ApplyOutcome.Refused || folder is null)
            return await EndWithoutChangeAsync(runs, context).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();

        IReadOnlyList<GpuInstanceLayout> own = run.Reading!.Everything();
        JournalEntry written = JournalEntry.Empty() with
        {
            Gpus = [.. last.Gpus.Where(g => !g.IsFinished), new JournalGpu(gpu.Uuid, null, run.Before!, run.Before!, own, IsFinished: false)],
        };
        folder.Save(written);

        await OnEach(runs, _ => run.RunExclusively(use, own, cancellationToken)).ConfigureAwait(false);
        JournalEntry closed = run.Outcome == ApplyOutcome.NotRestored ? Close(written, runs, (_, was) => [was with { Own = run.GetOwn(was.Own) }]) : last;
        return await EndAsync(folder, written, closed, runs, context).ConfigureAwait(false);
    }

    /// <summary>Who only looks need not be able to apply: without the right to read the record, what a dead apply has begun is not known.</summary>
    private static JournalEntry? PeekIfAllowed(string folder)
    {
        try
        {
            return Journal.Peek(folder);
        }
        catch (JournalException e) when (e.InnerException is UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void Check(ApplyOptions options)
    {
        if (options.Timeout < TimeSpan.Zero && options.Timeout != Timeout.InfiniteTimeSpan)
            throw new ArgumentException("Timeout is not negative, or Timeout.InfiniteTimeSpan.", nameof(options));
        if (options.RetryDelay < TimeSpan.Zero || options.RetryDelay > ApplyOptions.MaxRetryDelay)
            throw new ArgumentException($"RetryDelay is {ApplyOptions.MaxRetryDelay.TotalSeconds} s at most, and not negative.", nameof(options));
        if (options is { Quiesce: true, Services: null })
            throw new ArgumentException("To quiesce is to stop services: name them in Services.", nameof(options));
    }

    private static void Check(IReadOnlyList<GpuTarget> targets)
    {
        HashSet<string> named = [];
        foreach (GpuTarget target in targets)
        {
            if (GetUuid(target.Gpu, out _) is { } uuid && !named.Add(uuid))
                throw new ArgumentException($"{target.Gpu} is to become two things at once.", nameof(targets));
        }

        if (targets.FirstOrDefault(t => !t.MigEnabled && t.Layout is { Items.Count: > 0 }) is { } odd)
            throw new ArgumentException($"{odd.Gpu} is to have {odd.Layout} with MIG disabled: instances need it enabled.", nameof(targets));
    }

    private static NvmlException NotTakenBack(string gpu, NvmlException why) =>
        NvmlErrors.Create(why.Code, why.Function, $"{gpu} is not taken back and stays recorded: {why.Message}", why.IsTransient, why);

    /// <summary>One failure that tells of all; null if there is none. Each is in its inner exception.</summary>
    private static Exception? AsOne(List<Exception> failures)
    {
        if (failures.Count <= 1)
            return failures.Count == 0 ? null : failures[0];
        string all = string.Join(" ", failures.Select(f => f.Message));
        AggregateException each = new(failures);
        return failures[0] is NvmlException first
            ? NvmlErrors.Create(first.Code, first.Function, all, first.IsTransient, each)
            : new JournalException(all, each);
    }

    /// <summary>Null for a GPU that does not answer. That is a matter of this GPU and not of the call.</summary>
    private static string? GetUuid(GpuDevice gpu, out NvmlException? failure)
    {
        failure = null;
        try
        {
            return gpu.Uuid;
        }
        catch (NvmlException e)
        {
            failure = e;
            return null;
        }
    }

    private static void Plan(IReadOnlyList<GpuTarget> targets, GpuRun[] runs, JournalEntry last)
    {
        // What cannot be read keeps all from being changed, but not the others from being told what would be.
        (GpuRun Run, GpuTarget Target)[] readable = [.. runs.Zip(targets).Where(r => r.First.Error is null)];
        GpuState[] states = GpuReader.ToStates([.. readable.Select(r => r.Run.Reading!)]);
        for (int i = 0; i < readable.Length; i++)
            readable[i].Run.Plan(states[i], readable[i].Target, last.FindUnfinished(readable[i].Run.Gpu.Uuid));
    }

    /// <summary>
    /// What there is of what an apply was to make that was never finished. What was not there when it was looked at was not made by it: who
    /// makes the like later is somebody else.
    /// </summary>
    private static List<GpuInstanceLayout> OwnBefore(GpuRun run, JournalEntry last) =>
        LayoutSteps.Present(last.FindUnfinished(run.Gpu.Uuid)?.Own ?? [], run.Before!);

    private static JournalGpu ToRecord(GpuTarget target, GpuRun run, JournalEntry last)
    {
        JournalGpu? unfinished = last.FindUnfinished(run.Gpu.Uuid);
        return new JournalGpu(
            run.Gpu.Uuid,
            target.Layout?.ToString(),
            unfinished?.Before ?? run.Before!,
            run.Goal!,
            LayoutSteps.Union(LayoutSteps.CreatedBy(run.Steps), OwnBefore(run, last)),
            IsFinished: run.Steps.Count == 0 && unfinished is null);
    }

    /// <summary>Where a failure stops the others or does not.</summary>
    private static async Task ChangeAsync(GpuRun[] changing, ApplyOptions options, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await OnEach(changing, run =>
        {
            run.Execute(stop.Token);
            if (run.Error is null)
                return;
            // Callbacks of callers wait for it, as a reset's may: whatever they throw, or wait for, must not keep this GPU from its way back.
            if (options.AllOrNothing)
                _ = stop.CancelAsync();
            run.Rollback();
        }).ConfigureAwait(false);

        // One that was stopped says that it was cancelled: the cause is a failure elsewhere, if there is one.
        GpuRun? cause = Array.Find(changing, r => r.Error is not null and not OperationCanceledException) ?? Array.Find(changing, r => r.Error is not null);
        if (options.AllOrNothing && cause is not null)
        {
            OperationCanceledException why = cause.Error as OperationCanceledException
                ?? new OperationCanceledException($"{cause.Gpu} failed, and it was to be all or nothing.", cause.Error);
            await OnEach(changing.Where(r => r.Outcome == ApplyOutcome.Applied), run => run.Rollback()).ConfigureAwait(false);
            foreach (GpuRun stopped in changing.Where(r => r != cause))
                stopped.SetCause(why);
        }
    }

    private static async Task<ApplyResult> EndWithoutChangeAsync(GpuRun[] runs, ApplyContext context)
    {
        GpuRun? refused = Array.Find(runs, r => r.Outcome == ApplyOutcome.Refused);
        foreach (GpuRun run in runs)
        {
            if (refused is not null)
                run.GiveUp(new OperationCanceledException($"{refused.Gpu} was refused."));
            else
                run.SetPlanned();
        }

        return new ApplyResult([.. runs.Select(r => r.ToResult())]) { Services = context.Options.DryRun ? null : await context.ResumeAsync().ConfigureAwait(false) };
    }

    /// <summary>The record with what becomes of the GPUs that were changed; the same if nothing does.</summary>
    [return: NotNullIfNotNull(nameof(record))]
    private static JournalEntry? Close(JournalEntry? record, GpuRun[] runs, Func<GpuRun, JournalGpu, IEnumerable<JournalGpu>> close)
    {
        JournalGpu[] closed = [.. (record?.Gpus ?? []).SelectMany(g => Array.Find(runs, r => r.Gpu.Uuid == g.Uuid) is { } run ? close(run, g) : [g])];
        return record is null || closed.SequenceEqual(record.Gpus) ? record : record with { Gpus = closed };
    }

    /// <summary>Starts services again and closes the record. The result counts more than what fails here.</summary>
    private static async Task<ApplyResult> EndAsync(Journal folder, JournalEntry? written, JournalEntry? closed, GpuRun[] runs, ApplyContext context)
    {
        ServiceReport? services = await context.ResumeAsync().ConfigureAwait(false);
        Exception? error = null;
        try
        {
            if (closed is not null && closed != written)
                folder.Save(closed);
        }
        catch (JournalException e)
        {
            error = e;
        }

        return new ApplyResult([.. runs.Select(r => r.ToResult())]) { Error = error, Services = services };
    }

    /// <summary>A thread for each GPU: native calls block for as long as the driver needs, which the thread pool is not made for.</summary>
    private static Task OnEach(IEnumerable<GpuRun> runs, Action<GpuRun> act) =>
        Task.WhenAll(runs.Select(run => Task.Factory.StartNew(() => act(run), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
}
