using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;
using Nvml.Mig.Kubernetes.Nodes;

namespace Nvml.Mig.Kubernetes.Gpus;

/// <summary>Looks at the GPUs of the machine, and divides them.</summary>
internal sealed class MachineLayouts(LayoutMenu menu, KubernetesOptions options, TimeProvider time)
{
    /// <summary>Leases change GPUs often, and for a moment.</summary>
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(30);

    private readonly ApplyOptions _apply = new()
    {
        JournalFolder = options.JournalFolder,
        LockTimeout = LockTimeout,
        LeaveModePending = true,
        TimeProvider = time,
    };

    /// <summary>Compares the GPUs with what is wanted, and changes nothing.</summary>
    public Task<MachineVerdict> LookAsync(WantedLayout wanted, CancellationToken cancellationToken) =>
        Task.Run(() => LookNowAsync(wanted, cancellationToken), CancellationToken.None);

    /// <summary>Divides those GPUs that can be, and keeps on them what fits, what is in use and what is leased.</summary>
    /// <returns>How each of these stands then: of one that was changed back, why.</returns>
    /// <exception cref="OperationCanceledException">Something else is wanted: GPUs that were not finished are as they were.</exception>
    public async Task<IReadOnlyList<GpuVerdict>> ChangeAsync(MachineVerdict look, CancellationToken cancellationToken)
    {
        GpuTarget[] ways = [.. look.Ways];
        try
        {
            ApplyResult result = await LayoutApplier.ApplyAsync(ways, _apply, cancellationToken: cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            return [.. result.Gpus.Zip(ways, GpuVerdict.Of)];
        }
        catch (JournalException e)
        {
            return [.. ways.Select(way => new GpuVerdict(
                way.Gpu.Index, e.IsLocked ? NodeProtocol.Pending : NodeProtocol.Failed, e.Message))];
        }
    }

    private async Task<MachineVerdict> LookNowAsync(WantedLayout wanted, CancellationToken cancellationToken)
    {
        try
        {
            MachineTargets found = menu.Resolve(wanted);
            ApplyResult result = found.Targets.Count == 0 ? new ApplyResult([]) : await LayoutApplier.ApplyAsync(
                found.Targets, _apply with { DryRun = true }, cancellationToken: cancellationToken).ConfigureAwait(false);
            return new MachineVerdict(
                [.. result.Gpus.Zip(found.Targets, GpuVerdict.Of).Concat(found.Unfit).OrderBy(v => v.Gpu)], found.Notes);
        }
        catch (Exception e) when (e is LayoutFileException or PlanningException or JournalException)
        {
            return new MachineVerdict([], []) { Impossible = e.Message };
        }
    }
}
