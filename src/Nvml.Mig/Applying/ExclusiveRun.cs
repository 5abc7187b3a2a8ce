namespace Nvml.Mig.Applying;

/// <summary>Gives the caller an empty GPU to itself, then restores it.</summary>
internal sealed class ExclusiveRun : LayoutRun
{
    private readonly GpuTransaction _gpu;
    private readonly Func<CancellationToken, Task> _use;

    public ExclusiveRun(ApplyContext context, GpuDevice gpu, Func<CancellationToken, Task> use)
        : base(context)
    {
        _gpu = new GpuTransaction(gpu, context);
        _use = use;
        Gpus = [_gpu];
    }

    /// <summary>Every instance that can stand on the GPU, alone or not: the use can have created any.</summary>
    private IReadOnlyList<GpuInstanceSnapshot> Everything =>
        [.. _gpu.Profiles.SelectMany(p => p.Placements.Select(place => new GpuInstanceSnapshot(p.Profile, place)
        {
            ComputeInstances = [.. Enumerable.Range(1, p.Profile.SliceCount).SelectMany(slices => Enumerable.Repeat(
                new ComputeInstanceSnapshot(null, null) { Name = $"{slices}c", SliceCount = slices }, p.Profile.SliceCount / slices))],
        }))];

    protected override async Task PrepareAsync(CancellationToken cancellationToken)
    {
        await Context.OnEachAsync(Gpus, gpu => gpu.ReadAsync(SnapshotParts.All, cancellationToken)).ConfigureAwait(false);
        if (_gpu.Error is null)
            _gpu.RequireEmpty(Last.FindUnfinished(_gpu.Gpu.Uuid));
    }

    protected override JournalEntry Begin() => JournalEntry.Empty() with
    {
        Gpus = [
            .. Last.Gpus.Where(g => !g.IsFinished),
            new JournalGpu(_gpu.Gpu.Uuid, null, _gpu.Before!, _gpu.Before!, Everything, IsFinished: false)],
    };

    protected override async Task ChangeAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<GpuInstanceSnapshot> own = Everything;
        await Context.OnEachAsync(Gpus, gpu => gpu.RunExclusivelyAsync(_use, own, cancellationToken)).ConfigureAwait(false);
    }

    // Once the GPU is as it was, the journal of the last apply is there again.
    protected override JournalEntry Close(JournalEntry written) =>
        _gpu.Outcome == ApplyOutcome.NotRestored ? written.Change(Gpus, (gpu, was) => was with { Own = gpu.GetOwn(was.Own) }) : Last;
}
