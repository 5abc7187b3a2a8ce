using System.Globalization;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>Asks Slurm's controller, by its programs.</summary>
internal sealed class SlurmController(RunProgram run, TimeProvider? time = null)
{
    /// <summary>How long a controller is waited for that is being started again. A prolog that fails drains the node.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);

    /// <summary>The states of jobs that have left their nodes.</summary>
    private static readonly HashSet<string> EndedStates = new(StringComparer.Ordinal)
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PENDING", "PREEMPTED", "REQUEUED",
        "REQUEUE_FED", "REQUEUE_HOLD", "REVOKED", "SPECIAL_EXIT", "TIMEOUT",
    };

    private readonly TimeProvider _time = time ?? TimeProvider.System;

    /// <summary>Finds a job.</summary>
    /// <exception cref="SlurmException">There is none, or the controller does not answer.</exception>
    public async Task<SlurmJob> FindAsync(long id, CancellationToken cancellationToken)
    {
        string name = id.ToString(CultureInfo.InvariantCulture);
        string printed = await AskAsync(["-h", "-a", "-t", "all", "-j", name, "-O", SlurmJob.Format], cancellationToken);
        return SlurmJob.Read(printed, id) ?? throw new SlurmException($"squeue does not show job {name}.");
    }

    /// <summary>The comment of its user, or of the administrator. In a call of its own: it can have anything in it.</summary>
    public async Task<string> ReadCommentAsync(SlurmJob job, bool isAdmin, CancellationToken cancellationToken)
    {
        string field = isAdmin ? "admin_comment" : "comment";
        string printed = (await AskAsync(["-h", "-a", "-t", "all", "-j", job.Name, "-O", $"{field}:4096"], cancellationToken)).Trim();
        return printed is "(null)" or "N/A" ? "" : printed;
    }

    /// <summary>The jobs that have not left a node.</summary>
    public async Task<IReadOnlySet<long>> ListAsync(string node, CancellationToken cancellationToken)
    {
        string printed = await run("squeue", ["-h", "-a", "-r", "-t", "all", "-w", node, "-O", "jobid:24,state:24"], cancellationToken);
        HashSet<long> jobs = [];
        foreach (string line in printed.Split('\n'))
        {
            if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [{ } id, { } state] && !EndedStates.Contains(state)
                && long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out long job))
                jobs.Add(job);
        }

        return jobs;
    }

    /// <summary>Sends a job back to where it waits; with <paramref name="hold"/> until its user releases it.</summary>
    public Task RequeueAsync(SlurmJob job, bool hold, CancellationToken cancellationToken) =>
        run("scontrol", [hold ? "requeuehold" : "requeue", job.Name], cancellationToken);

    /// <summary>Lets a job be started again, or not.</summary>
    public Task AllowRequeueAsync(SlurmJob job, bool isAllowed, CancellationToken cancellationToken) =>
        run("scontrol", ["update", $"JobId={job.Name}", isAllowed ? "Requeue=1" : "Requeue=0"], cancellationToken);

    public Task SetAdminCommentAsync(SlurmJob job, string comment, CancellationToken cancellationToken) =>
        run("scontrol", ["update", $"JobId={job.Name}", $"AdminComment={comment}"], cancellationToken);

    /// <summary>Shows a text to whoever started an interactive job.</summary>
    public Task NotifyAsync(SlurmJob job, string text, CancellationToken cancellationToken) =>
        run("scontrol", ["notify", job.Name, text], cancellationToken);

    public Task CancelAsync(SlurmJob job, CancellationToken cancellationToken) => run("scancel", [job.Name], cancellationToken);

    /// <summary>Takes a node out of service, with the reason that sinfo -R shows.</summary>
    public Task DrainAsync(string node, string reason, CancellationToken cancellationToken) =>
        run("scontrol", ["update", $"NodeName={node}", "State=DRAIN", $"Reason={reason}"], cancellationToken);

    /// <summary>Asks again for a while: the controller can be just being started.</summary>
    private async Task<string> AskAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        long start = _time.GetTimestamp();
        while (true)
        {
            try
            {
                return await run("squeue", arguments, cancellationToken);
            }
            catch (SlurmException e) when (
                _time.GetElapsedTime(start) < Patience && !e.Message.Contains("Invalid job id", StringComparison.OrdinalIgnoreCase))
            {
                await Task.Delay(RetryInterval, _time, cancellationToken);
            }
        }
    }
}
