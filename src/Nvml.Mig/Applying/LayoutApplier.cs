namespace Nvml.Mig.Applying;

/// <summary>
/// Divides GPUs. Afterwards a GPU has the layout asked for, read back and compared, or its former layout, or the result lists exactly what
/// remains.
/// </summary>
/// <remarks>
/// <para>
/// It reads and plans all GPUs before the first change. If anything on any GPU is impossible, or an instance in use is in the way, it
/// refuses the whole request; a GPU that cannot be read is refused alone, unless it is all or nothing. Then it writes the layout to the
/// journal: after the death of the process at any moment the same apply completes the change, and <see cref="RollbackAsync"/> restores the
/// layout. It changes one GPU after the other, each in the plan's order.
/// </para>
/// <para>
/// After a failed call it reads the GPU: if the call took effect all the same, the step is done. It retries a transient failure
/// (<see cref="NvmlException.IsTransient"/>), see <see cref="ApplyOptions.Timeout"/>. After any other failure it rolls the GPU back: the
/// same instances in the same places, with the same UUIDs. It leaves alone what the plan neither created nor named, and destroys nothing in
/// use: the driver refuses that. It does not wait for processes that appeared after planning: their instance stays, also in a rollback, and
/// <see cref="GpuApplyResult.Differences"/> names it.
/// </para>
/// <para>
/// On cancellation it finishes the current call, then rolls back the GPUs that are not finished, with
/// <see cref="ApplyOptions.AllOrNothing"/> the finished ones too. The rollback is not cancelled.
/// </para>
/// <para>Creating and destroying needs root or the MIG config capability.</para>
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
    /// <param name="targets">The GPUs to change, each once, with their targets.</param>
    /// <param name="options">How; by default for a real machine.</param>
    /// <param name="progress">Receives each step before it is executed, on the thread that executes it.</param>
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
        return RunAsync("apply", options, progress, context => new ApplyRun(context, targets), cancellationToken);
    }

    /// <summary>
    /// Restores the layout that the journal has of the GPUs of the last apply: after the death of its process, and after a success.
    /// Instances that the apply did not create are left alone. If they are in the way, or an instance to be destroyed is in use, the
    /// rollback is refused.
    /// </summary>
    /// <param name="session">A session on the machine of the journal.</param>
    /// <param name="gpus">Only these of the GPUs in the journal; null: all of them.</param>
    /// <param name="options">How; <see cref="ApplyOptions.AllOrNothing"/> does not matter here.</param>
    /// <param name="progress">As for <see cref="ApplyAsync"/>.</param>
    /// <param name="cancellationToken">
    /// Ends it at the next safe point. The result has what is not done then; call it again to do that.
    /// </param>
    /// <returns>
    /// The result on each GPU; none if the journal has nothing to roll back. A GPU that fails is left as it is, with its error. One that
    /// cannot be reached does not prevent the rollback of others: it stays in the journal, and is the <see cref="ApplyResult.Error"/>.
    /// </returns>
    /// <exception cref="JournalException">Another applier works, or the journal cannot be read. Nothing was changed.</exception>
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
        return RunAsync("rollback", options, progress, context => new RollbackRun(context, session, gpus), cancellationToken);
    }

    /// <summary>
    /// Gives an empty GPU to a callback for exclusive use: it may create and destroy instances and switch the MIG mode. Afterwards the GPU
    /// is empty again and in its former mode. Processes that the callback leaves have <see cref="ApplyOptions.Timeout"/> to end.
    /// </summary>
    /// <remarks>
    /// It refuses a GPU with instances or processes, and one that a change left half-way. It writes the journal as <see cref="ApplyAsync"/>
    /// does and excludes other appliers: after the death of the process <see cref="RollbackAsync"/> restores the GPU. Until then, and after
    /// <see cref="ApplyOutcome.NotRestored"/>, all instances on the GPU count as created by this run. Once the GPU is restored, the journal
    /// has the entry of the last apply again.
    /// </remarks>
    /// <param name="gpu">The GPU.</param>
    /// <param name="use">
    /// The callback; its token is <paramref name="cancellationToken"/>. When its task ends, the GPU is restored.
    /// </param>
    /// <param name="options">How; with <see cref="ApplyOptions.DryRun"/> it only checks whether the GPU can be used.</param>
    /// <param name="progress">Receives the steps of the restoration.</param>
    /// <param name="cancellationToken">For <paramref name="use"/>. The restoration is not cancelled.</param>
    /// <returns>
    /// <see cref="ApplyOutcome.Applied"/> if it was used and is restored, <see cref="ApplyOutcome.RolledBack"/> if it is restored although
    /// the callback failed, with its exception; else <see cref="ApplyOutcome.NotRestored"/> or <see cref="ApplyOutcome.Refused"/>, or
    /// <see cref="ApplyOutcome.Unchanged"/> if it was only checked.
    /// </returns>
    /// <exception cref="JournalException">Another applier works, or the layout cannot be recorded. Nothing was changed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the callback was called.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed before the callback was called.</exception>
    public static Task<ApplyResult> RunExclusivelyAsync(
        GpuDevice gpu,
        Func<CancellationToken, Task> use,
        ApplyOptions? options = null,
        IProgress<ApplyProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        ArgumentNullException.ThrowIfNull(use);
        return RunAsync("exclusive_run", options, progress, context => new ExclusiveRun(context, gpu, use), cancellationToken);
    }

    /// <summary>Away from the caller's thread: native calls block for as long as the driver needs.</summary>
    private static Task<ApplyResult> RunAsync(
        string name,
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
                using Operation operation = Operation.Start(name);
                using ApplyContext context = new(options, progress);
                try
                {
                    ApplyResult result = await create(context).RunAsync(cancellationToken).ConfigureAwait(false);
                    if (!result.IsSuccess)
                        Fail(operation, result);
                    return result;
                }
                catch (Exception e)
                {
                    operation.Fail(e);
                    throw;
                }
            },
            CancellationToken.None);
    }

    /// <summary>The worst outcome of a GPU says it, or the failure beside the GPUs.</summary>
    private static void Fail(Operation operation, ApplyResult result)
    {
        if (result.Gpus.Where(g => !g.IsSuccess).MaxBy(g => g.Outcome) is { } worst)
            operation.Fail(worst.Outcome.ToString(), worst.Message);
        else if (result.Error is { } error)
            operation.Fail(error);
        else
            operation.Fail("ServicesStopped", "Services that were stopped do not run again.");
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
