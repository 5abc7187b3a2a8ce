using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>
/// Sends a job away without harm to the node: the prolog succeeds then, and Slurm finds that the job is not to run any more.
/// </summary>
internal sealed class JobRefusal(SlurmController slurm)
{
    /// <summary>Begins our part of an administrator's comment, which can have others.</summary>
    private const string Mark = "nvmig: ";

    /// <summary>Slurm keeps longer ones, but nobody reads them.</summary>
    private const int LongestReason = 1000;

    /// <summary>Sends the job away: to wait for a place, or with <paramref name="never"/> until its user has changed it.</summary>
    /// <exception cref="SlurmException">It can neither be requeued nor cancelled.</exception>
    public async Task<SlurmOutcome> RefuseAsync(SlurmJob job, string reason, bool never, CancellationToken cancellationToken)
    {
        // One that is being cancelled would be started again by a requeue.
        SlurmJob now = await slurm.FindAsync(job.Id, cancellationToken);
        if (!IsRunning(now))
            return SlurmOutcome.Gone;
        string text = SlurmProgram.OneLine(reason);
        text = text.Length > LongestReason ? text[..LongestReason] : text;
        await TryAsync(() => NoteAsync(now, text, cancellationToken));
        if (!now.IsBatch)
        {
            await TryAsync(() => slurm.NotifyAsync(now, Mark + text, cancellationToken));
            return await CancelAsync(now, cancellationToken);
        }

        try
        {
            await RequeueAsync(now, never, cancellationToken);
            return never ? SlurmOutcome.Held : SlurmOutcome.Requeued;
        }
        catch (SlurmException e)
        {
            // The prolog of another of its nodes, or its user, was first.
            if (!IsRunning(await slurm.FindAsync(job.Id, cancellationToken)))
                return SlurmOutcome.Gone;
            Terminal.WriteError(e.Message);
            return await CancelAsync(now, cancellationToken);
        }
    }

    private static bool IsRunning(SlurmJob job) => job.State is "RUNNING" or "CONFIGURING" or "SUSPENDED";

    /// <summary>
    /// A job that is not to be requeued is, all the same: that is meant for one that has begun, and this one's program was not started. It
    /// is as before afterwards.
    /// </summary>
    private async Task RequeueAsync(SlurmJob job, bool never, CancellationToken cancellationToken)
    {
        if (!job.CanRequeue)
            await slurm.AllowRequeueAsync(job, isAllowed: true, cancellationToken);
        try
        {
            await slurm.RequeueAsync(job, never, cancellationToken);
        }
        finally
        {
            if (!job.CanRequeue)
                await TryAsync(() => slurm.AllowRequeueAsync(job, isAllowed: false, cancellationToken));
        }
    }

    private async Task<SlurmOutcome> CancelAsync(SlurmJob job, CancellationToken cancellationToken)
    {
        await slurm.CancelAsync(job, cancellationToken);
        return SlurmOutcome.Cancelled;
    }

    /// <summary>The user's own comment has the request: the reason goes into the administrator's, behind what is there of others.</summary>
    private async Task NoteAsync(SlurmJob job, string text, CancellationToken cancellationToken)
    {
        string there = SlurmProgram.OneLine(await slurm.ReadCommentAsync(job, isAdmin: true, cancellationToken));
        int own = there.IndexOf(Mark, StringComparison.Ordinal);
        string others = (own < 0 ? there : there[..own]).TrimEnd(' ', ';');
        await slurm.SetAdminCommentAsync(job, $"{(others.Length == 0 ? "" : $"{others}; ")}{Mark}{text}", cancellationToken);
    }

    /// <summary>The job is sent away also if its user cannot be told why.</summary>
    private static async Task TryAsync(Func<Task> act)
    {
        try
        {
            await act();
        }
        catch (SlurmException e)
        {
            Terminal.WriteError(e.Message);
        }
    }
}
