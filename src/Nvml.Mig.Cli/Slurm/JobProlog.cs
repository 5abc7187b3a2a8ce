using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>The work before a job begins: it gets a lease, or is sent away with the reason.</summary>
/// <param name="slurm">Slurm.</param>
/// <param name="file">Where the job's variables go.</param>
/// <param name="node">This node's name in Slurm; null if that is not known.</param>
/// <param name="queue">The queue of leases.</param>
/// <param name="wait">How long to wait for a place.</param>
internal sealed class JobProlog(SlurmController slurm, JobFile file, string? node, string queue, TimeSpan wait)
{
    private SlurmJob? _job;
    private JobRequest? _request;

    /// <summary>Reads the job. The result if there is no more to do: it asks for nothing, or for something that makes no sense.</summary>
    public async Task<SlurmJobDocument?> BeginAsync(long id, CancellationToken cancellationToken)
    {
        _job = await slurm.FindAsync(id, cancellationToken);
        string comment = await slurm.ReadCommentAsync(_job, isAdmin: false, cancellationToken);
        try
        {
            if (_job.CountedBy is { } kind)
                throw new JobRefusedException($"{SlurmJob.Gres} is asked for by {kind}. Ask for it by node: --gres={SlurmJob.Gres}:N.");
            _request = JobRequest.Read(_job.Slices, comment);
            if (_request is not null)
                return null;
            file.Forget();
            return new SlurmJobDocument(id, SlurmOutcome.Nothing, [], null, null);
        }
        catch (JobRefusedException e)
        {
            return await RefuseAsync(e.Message, never: true, cancellationToken);
        }
    }

    /// <summary>Claims what the job asks for.</summary>
    /// <param name="leases">The leases.</param>
    /// <param name="gpus">The GPUs that the job can have.</param>
    /// <param name="namesGpus">Whether there are others, which it cannot have.</param>
    /// <param name="cancellationToken">Withdraws the claim.</param>
    public async Task<SlurmJobDocument> LeaseAsync(
        ILeases leases, IReadOnlyList<GpuDevice> gpus, bool namesGpus, CancellationToken cancellationToken)
    {
        SlurmJob job = _job!;
        StandDocument stand = await leases.ReadAsync(usage: false, cancellationToken);
        CheckQueue(stand);
        ClaimRequest claim = new()
        {
            Id = JobLeases.FindName(stand, job),
            Queue = queue,
            Uid = job.Uid,
            Label = JobLeases.LabelOf(job.Id),
            Requests = _request!.Requests,
            Fraction = _request.Fraction,
            Gpus = namesGpus ? [.. gpus.Select(g => g.Uuid)] : [],
        };
        JobLeases known = new(leases, slurm);
        await known.ReleaseAsync(stand, job.Id, claim.Id, cancellationToken);
        if (node is not null)
            await known.ReleaseLeftAsync(stand, node, job.Id, cancellationToken);
        try
        {
            JobCover cover = JobCover.Read(gpus, [.. stand.Queues.Select(ToQueue)]);
            claim.Models = cover.FindModels(claim.ToClaim(new LeaseOwner(job.Uid, claim.Label)), job.Slices);
            file.Create();
            LeaseEntry lease = await LeaseRun.ClaimAsync(leases, claim, wait, json: true, cancellationToken);
            if (lease.Ending is { } ending)
                return await RefuseAsync($"Its lease of before still ends: {ending.Message}", never: false, cancellationToken);
            await file.WriteAsync(job.Uid, Variables(lease), cancellationToken);
            return new SlurmJobDocument(job.Id, SlurmOutcome.Leased, [lease], null, null);
        }
        catch (JobRefusedException e)
        {
            return await RefuseAsync(e.Message, never: true, cancellationToken);
        }
        catch (LeaseException e) when (e.Error is LeaseError.Impossible or LeaseError.Invalid or LeaseError.Timeout)
        {
            return await RefuseAsync(e.Message, never: e.Error != LeaseError.Timeout, cancellationToken);
        }
    }

    private static Dictionary<string, string> Variables(LeaseEntry lease) => new(lease.Environment, StringComparer.Ordinal)
    {
        ["NVMIG_LEASE"] = lease.Id,
        ["NVMIG_GENERATION"] = lease.Generation.ToString(CultureInfo.InvariantCulture),
    };

    private static LeaseQueue ToQueue(QueueEntry queue) => new(queue.Name)
    {
        Parent = queue.Parent,
        Quota = queue.Quota?.ToSlices(),
        Limit = queue.Limit?.ToSlices(),
    };

    /// <summary>A queue that is not there is the site's fault, not the job's.</summary>
    private void CheckQueue(StandDocument stand)
    {
        QueueEntry[] queues = [.. stand.Queues.Where(q => !stand.Queues.Any(child => child.Parent == q.Name))];
        if (!Array.Exists(queues, q => q.Name == queue))
            throw new UsageException($"There is no queue {queue} for claims. There are: {string.Join(", ", queues.Select(q => q.Name))}.");
    }

    private async Task<SlurmJobDocument> RefuseAsync(string reason, bool never, CancellationToken cancellationToken)
    {
        SlurmOutcome outcome = await new JobRefusal(slurm).RefuseAsync(_job!, reason, never, cancellationToken);
        file.End();
        return new SlurmJobDocument(_job!.Id, outcome, [], reason, null);
    }
}
