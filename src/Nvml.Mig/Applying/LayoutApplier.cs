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
/// LayoutSpec spec = LayoutSpec.Parse("3g.20gb,1g.5gb*3");
/// ApplyResult result = await LayoutApplier.ApplyAsync([.. session.Devices.Select(gpu => new GpuTarget(gpu, spec))]);
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
    /// <returns>The result on each GPU. A failure of a GPU is in its result and not thrown.</returns>
    /// <exception cref="ArgumentException">
    /// A GPU is named twice, or is to have instances with MIG disabled; or the options contradict themselves or are out of range.
    /// </exception>
    /// <exception cref="JournalException">Another applier works, or the layout cannot be recorded. Nothing was changed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the first change.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed before the first change.</exception>
    public static Task<ApplyResult> ApplyAsync(
        IReadOnlyList<GpuTarget> targets,
        ApplyOptions? options = null,
        IProgress<ApplyProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(targets);
        return RunAsync(options, progress, context => new ApplyRun(context, targets), cancellationToken);
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
    /// Ends it at the next safe point. The result has what is not done then; call it again to do that.
    /// </param>
    /// <returns>
    /// The result on each GPU; none if nothing is recorded that was not taken back already. A GPU that fails is left as it is, and
    /// said so. One that cannot be reached keeps no other from being taken back: it stays recorded, and is the
    /// <see cref="ApplyResult.Error"/>.
    /// </returns>
    /// <exception cref="JournalException">Another applier works, or the record cannot be read. Nothing was changed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the first change.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public static Task<ApplyResult> RollbackAsync(
        NvmlSession session,
        IReadOnlyCollection<GpuDevice>? gpus = null,
        ApplyOptions? options = null,
        IProgress<ApplyProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        return RunAsync(options, progress, context => new RollbackRun(context, session, gpus), cancellationToken);
    }

    /// <summary>
    /// Lends an empty GPU to code that creates and destroys instances on it, or switches its MIG mode, as it likes: to measure, or to try
    /// something out. However that ends, the GPU is empty again afterwards and in the mode that it was in. Processes that the use leaves
    /// have <see cref="ApplyOptions.Timeout"/> to end.
    /// </summary>
    /// <remarks>
    /// A GPU with instances or processes is refused, and one that a change left in the middle. It is recorded as by
    /// <see cref="ApplyAsync"/>, and other appliers are excluded: after a death <see cref="RollbackAsync"/> leads back. Until then whatever
    /// stands on the GPU counts as made by this, and after <see cref="ApplyOutcome.NotRestored"/> what is left. Once the GPU is as it was,
    /// the record of the last apply is there again.
    /// </remarks>
    /// <param name="gpu">The GPU.</param>
    /// <param name="use">
    /// The use; the token is <paramref name="cancellationToken"/>. When the task that it returns has
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
    public static Task<ApplyResult> RunExclusivelyAsync(
        GpuDevice gpu,
        Func<CancellationToken, Task> use,
        ApplyOptions? options = null,
        IProgress<ApplyProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        ArgumentNullException.ThrowIfNull(use);
        return RunAsync(options, progress, context => new ExclusiveRun(context, gpu, use), cancellationToken);
    }

    /// <summary>Away from the caller's thread: native calls block for as long as the driver needs.</summary>
    private static Task<ApplyResult> RunAsync(
        ApplyOptions? options,
        IProgress<ApplyProgress>? progress,
        Func<ApplyContext, LayoutRun> create,
        CancellationToken cancellationToken)
    {
        options ??= new ApplyOptions();
        Check(options);
        return Task.Run(
            async () =>
            {
                using ApplyContext context = new(options, progress);
                return await create(context).RunAsync(cancellationToken).ConfigureAwait(false);
            },
            CancellationToken.None);
    }

    private static void Check(ApplyOptions options)
    {
        if (options.Timeout < TimeSpan.Zero && options.Timeout != Timeout.InfiniteTimeSpan)
            throw new ArgumentException("Timeout is not negative, or Timeout.InfiniteTimeSpan.", nameof(options));
        if (options.LockTimeout < TimeSpan.Zero && options.LockTimeout != Timeout.InfiniteTimeSpan)
            throw new ArgumentException("LockTimeout is not negative, or Timeout.InfiniteTimeSpan.", nameof(options));
        if (options.RetryDelay < TimeSpan.Zero || options.RetryDelay > Retry.MaxDelay)
            throw new ArgumentException($"RetryDelay is {Retry.MaxDelay.TotalSeconds} s at most, and not negative.", nameof(options));
        if (options is { Quiesce: true, Services: null })
            throw new ArgumentException("To quiesce is to stop services: name them in Services.", nameof(options));
    }
}
