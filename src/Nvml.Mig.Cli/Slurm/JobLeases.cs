using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>The leases of Slurm's jobs on this node.</summary>
internal sealed class JobLeases(ILeases leases, SlurmController slurm)
{
    private const string NamePrefix = "slurm-";
    private const string LabelPrefix = "slurm:";

    public static string LabelOf(long job) => string.Create(CultureInfo.InvariantCulture, $"{LabelPrefix}{job}");

    /// <summary>
    /// The name for a job's lease. A job that is started again has the same number, and its old lease can still be ending. Where an agent
    /// is, everybody can claim by any name: what others have taken is left to them.
    /// </summary>
    public static string FindName(StandDocument stand, SlurmJob job)
    {
        string label = LabelOf(job.Id);
        string name = string.Create(
            CultureInfo.InvariantCulture, $"{NamePrefix}{job.Id}{(job.Restarts == 0 ? "" : $".{job.Restarts}")}");
        while (stand.Leases.Any(l => l.Id == name && (l.Uid != job.Uid || l.Label != label))
            || stand.Waiting.Any(w => w.Id == name && (w.Uid != job.Uid || w.Label != label)))
            name += "+";
        return name;
    }

    /// <summary>Releases what the job has, but for the lease of a name.</summary>
    public async Task<IReadOnlyList<LeaseEntry>> ReleaseAsync(
        StandDocument stand, long job, string? except, CancellationToken cancellationToken)
    {
        LeaseEntry[] owned = [.. stand.Leases.Where(l => l.Ending is null && l.Id != except && ReadJob(l) == job)];
        foreach (LeaseEntry lease in owned)
            await ReleaseAsync(lease, cancellationToken);
        return owned;
    }

    /// <summary>
    /// Releases what jobs have left that do not run on this node any more: the node or slurmd died with them, and no epilog ran. Slurm is
    /// asked after the leases were read, so that no job is missed that has begun since. If it does not answer, nothing is released.
    /// </summary>
    public async Task ReleaseLeftAsync(StandDocument stand, string node, long self, CancellationToken cancellationToken)
    {
        LeaseEntry[] others = [.. stand.Leases.Where(l => l.Ending is null && ReadJob(l) is { } job && job != self)];
        if (others.Length == 0)
            return;
        try
        {
            IReadOnlySet<long> running = await slurm.ListAsync(node, cancellationToken);
            foreach (LeaseEntry lease in others.Where(l => !running.Contains(ReadJob(l)!.Value)))
            {
                await ReleaseAsync(lease, cancellationToken);
                Terminal.WriteError($"{lease.Id} is released: its job does not run on {node} any more.");
            }
        }
        catch (SlurmException e)
        {
            Terminal.WriteError($"What other jobs have left is not looked for: {e.Message}");
        }
    }

    /// <summary>The job of a lease; null if it is not of Slurm's prolog.</summary>
    private static long? ReadJob(LeaseEntry lease) =>
        lease.Id.StartsWith(NamePrefix, StringComparison.Ordinal) && lease.Label is { } label
        && label.StartsWith(LabelPrefix, StringComparison.Ordinal)
        && long.TryParse(label.AsSpan(LabelPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long job)
            ? job
            : null;

    /// <summary>Of the generation that was looked at: another lease of the name is left alone.</summary>
    private async Task ReleaseAsync(LeaseEntry lease, CancellationToken cancellationToken)
    {
        try
        {
            await leases.ReleaseAsync(lease.Id, lease.Generation, cancellationToken);
        }
        catch (LeaseException e) when (e.Error is LeaseError.NotFound or LeaseError.Ended)
        {
            // It has ended since.
        }
    }
}
