using Nvml.Mig.Host;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>
/// The protocol of every change: take the journal, read and plan all GPUs, and if none is refused, write the journal, change the GPUs, and
/// close the journal.
/// </summary>
internal abstract class LayoutRun(ApplyContext context)
{
    protected ApplyContext Context => context;

    /// <summary>The journal entry before this run.</summary>
    protected JournalEntry Last { get; private set; } = JournalEntry.Empty();

    protected IReadOnlyList<GpuTransaction> Gpus { get; set; } = [];

    /// <summary>The GPUs that could be read. Of the others not even the UUID may be known.</summary>
    protected IEnumerable<GpuTransaction> Readable => Gpus.Where(g => g.Before is not null);

    protected IEnumerable<GpuTransaction> Changing => Gpus.Where(g => g.Steps.Count > 0);

    /// <summary>The failures beside the GPUs.</summary>
    protected List<Exception> Failures { get; } = [];

    public async Task<ApplyResult> RunAsync(CancellationToken cancellationToken)
    {
        ApplyOptions options = context.Options;
        using Journal? journal = options.DryRun ? null : await Journal.TakeAsync(options, cancellationToken).ConfigureAwait(false);
        Last = (journal is null ? Peek(options.JournalFolder) : journal.Load()) ?? Last;
        context.Promised = ReadPromised(options);
        await PrepareAsync(cancellationToken).ConfigureAwait(false);
        if (journal is null || FindBlocking() is not null)
            return await EndWithoutChangeAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();

        JournalEntry written = Begin();
        if (written != Last)
            journal.Save(written);
        await ChangeAsync(cancellationToken).ConfigureAwait(false);
        ServiceReport? services = await context.ResumeAsync().ConfigureAwait(false);
        await ReportAsync(services).ConfigureAwait(false);
        try
        {
            JournalEntry closed = Close(written);
            if (closed != written)
                journal.Save(closed);
        }
#pragma warning disable CA1031 // The result of the GPUs counts more than what fails here, and is true all the same.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Failures.Insert(0, e);
        }

        return ToResult(services);
    }

    /// <summary>A run that changes nothing needs no right to read the folder.</summary>
    private static IReadOnlyList<PromisedInstance> ReadPromised(ApplyOptions options)
    {
        try
        {
            return PromisedInstance.ReadAll(options.JournalFolder);
        }
        catch (JournalException e) when (options.DryRun && e.InnerException is UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The journal, for a run that changes nothing.</summary>
    protected virtual JournalEntry? Peek(string folder) => Journal.Peek(folder);

    /// <summary>Reads and plans all GPUs.</summary>
    protected abstract Task PrepareAsync(CancellationToken cancellationToken);

    /// <summary>The journal before the first change; <see cref="Last"/> if there is none to come.</summary>
    protected abstract JournalEntry Begin();

    protected abstract Task ChangeAsync(CancellationToken cancellationToken);

    /// <summary>The journal after the last change.</summary>
    protected abstract JournalEntry Close(JournalEntry written);

    protected GpuTransaction? Find(JournalGpu gpu) => Readable.FirstOrDefault(g => g.Gpu.Uuid == gpu.Uuid);

    /// <summary>
    /// The instances that exist of an unfinished apply. An instance that did not exist when the GPU was read was not created by
    /// it: one that appears later, however alike, is another client's.
    /// </summary>
    protected IReadOnlyList<GpuInstanceSnapshot> OwnBefore(GpuTransaction gpu) =>
        LayoutSteps.Present(Last.FindUnfinished(gpu.Gpu.Uuid)?.Own ?? [], gpu.Before!);

    /// <summary>
    /// The GPU that keeps all from being changed: what is asked for is impossible on it, or in the way of somebody. One that cannot be read
    /// is a failure of its own, unless it is to be all or nothing.
    /// </summary>
    private GpuTransaction? FindBlocking()
    {
        bool readable = !context.Options.AllOrNothing && Readable.Any();
        return Gpus.FirstOrDefault(g => g.Outcome == ApplyOutcome.Refused && (g.Before is not null || !readable));
    }

    private async Task<ApplyResult> EndWithoutChangeAsync()
    {
        GpuTransaction? refused = FindBlocking();
        foreach (GpuTransaction gpu in Gpus)
        {
            if (refused is not null)
                gpu.GiveUp(new OperationCanceledException($"{refused.Gpu} was refused."));
            else
                gpu.SetPlanned();
        }

        ServiceReport? services = context.Options.DryRun ? null : await context.ResumeAsync().ConfigureAwait(false);
        await ReportAsync(services).ConfigureAwait(false);
        return ToResult(services);
    }

    private async Task ReportAsync(ServiceReport? services)
    {
        if (context.Options.Report is not { } report)
            return;
        try
        {
            await report(ToResult(services)).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // The result of the GPUs is true all the same.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Failures.Add(e);
        }
    }

    private ApplyResult ToResult(ServiceReport? services) =>
        new([.. Gpus.Select(g => g.ToResult())]) { Error = AsOne(Failures), Services = services };

    /// <summary>One failure that has the messages of all; null if there is none. Each is in its inner exception.</summary>
    private static Exception? AsOne(List<Exception> failures)
    {
        if (failures.Count <= 1)
            return failures.FirstOrDefault();
        string all = string.Join(" ", failures.Select(f => f.Message));
        AggregateException each = new(failures);
        return failures[0] is NvmlException first
            ? NvmlErrors.Create(first.Code, first.Function, all, first.IsTransient, each)
            : new JournalException(all, each);
    }
}
