using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>Takes GPUs back to what the journal says stood there before.</summary>
internal sealed class RollbackRun(ApplyContext context, NvmlSession session, IReadOnlyCollection<GpuDevice>? only) : LayoutRun(context)
{
    protected override async Task PrepareAsync(CancellationToken cancellationToken)
    {
        HashSet<string>? named = only is null ? null : [];
        foreach (GpuDevice gpu in only ?? [])
            TryReach($"{gpu}", () => named!.Add(gpu.Uuid));

        List<(GpuTransaction Gpu, JournalGpu Recorded)> all = [];
        foreach (JournalGpu recorded in Last.Gpus.Where(g => named?.Contains(g.Uuid) != false))
            TryReach($"GPU {recorded.Uuid}", () => all.Add((new GpuTransaction(session.GetDevice(recorded.Uuid), Context), recorded)));

        await Context.OnEachAsync(
            all.Select(r => r.Gpu), gpu => gpu.ReadAsync(SnapshotParts.Users, cancellationToken)).ConfigureAwait(false);
        Failures.AddRange(
            all.Where(r => r.Gpu.Error is not null).Select(r => NotRolledBack($"GPU {r.Recorded.Uuid}", (NvmlException)r.Gpu.Error!)));
        all.RemoveAll(r => r.Gpu.Error is not null);
        foreach ((GpuTransaction gpu, JournalGpu recorded) in all)
            gpu.PlanExact(recorded.Before, recorded.Own);
        Gpus = [.. all.Select(r => r.Gpu)];
    }

    // Until it is done, a GPU is neither the one nor the other. Fillers that hold an id meanwhile are ours too.
    protected override JournalEntry Begin() => Last.Change([.. Changing], (gpu, was) =>
        was with { IsFinished = false, Own = LayoutSteps.Union(was.Own, LayoutSteps.CreatedBy(gpu.Steps)) });

    protected override Task ChangeAsync(CancellationToken cancellationToken) => Context.OnEachAsync(Changing, async gpu =>
    {
        await gpu.ExecuteAsync(cancellationToken).ConfigureAwait(false);
        if (gpu.Error is not null)
            await gpu.LeaveAsync().ConfigureAwait(false);
    });

    // A GPU that was rolled back is finished: instances created there from now on are not this apply's.
    protected override JournalEntry Close(JournalEntry written) => written.Change(Gpus, (gpu, was) =>
        gpu.Outcome is ApplyOutcome.Applied or ApplyOutcome.Unchanged ? null : was with { Own = gpu.GetOwn(was.Own) });

    /// <summary>A GPU that cannot be reached does not keep the others from being rolled back.</summary>
    private void TryReach(string gpu, Action reach)
    {
        try
        {
            reach();
        }
        catch (NvmlException e)
        {
            Failures.Add(NotRolledBack(gpu, e));
        }
    }

    private static NvmlException NotRolledBack(string gpu, NvmlException why) =>
        NvmlErrors.Create(why.Code, why.Function, $"{gpu} is not rolled back and stays recorded: {why.Message}", why.IsTransient, why);
}
