using System.CommandLine;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Leases;

namespace Nvml.Mig.Cli.Slurm;

/// <summary><c>nvmig slurm epilog</c>: releases the lease of a job.</summary>
internal static class EpilogCommand
{
    public static Command Build()
    {
        Command command = new(
            "epilog",
            "Release the lease of a job that has ended, if it has one. Its instances are free once no process uses them. Slurm's Epilog.")
        {
            SlurmCommand.Folder,
            ApplyArguments.JournalFolder,
        };
        command.SetAction(parsed => SlurmCommand.Run(parsed, slurm => Run(parsed, slurm)));
        return command;
    }

    /// <summary>Releases what the job has, and what others have left. The file goes last: until then this can be done again.</summary>
    public static async Task<SlurmJobDocument> EndAsync(
        ILeases leases, SlurmController slurm, JobFile file, string? node, long job, CancellationToken cancellationToken)
    {
        StandDocument stand = await leases.ReadAsync(usage: false, cancellationToken);
        JobLeases known = new(leases, slurm);
        IReadOnlyList<LeaseEntry> released = await known.ReleaseAsync(stand, job, except: null, cancellationToken);
        if (node is not null)
            await known.ReleaseLeftAsync(stand, node, job, cancellationToken);
        file.End();
        return new SlurmJobDocument(job, released.Count > 0 ? SlurmOutcome.Released : SlurmOutcome.Nothing, released, null, null);
    }

    private static SlurmJobDocument Run(ParseResult parsed, SlurmController slurm)
    {
        long job = SlurmCommand.ReadJob();
        JobFile file = new(parsed.GetValue(SlurmCommand.Folder)!, job, SlurmProgram.RunAsync);
        SlurmJobDocument result = new(job, SlurmOutcome.Nothing, [], null, null);
        if (file.Exists)
        {
            LeaseRun.Run(parsed, async (leases, _, cancellation) =>
            {
                result = await EndAsync(leases, slurm, file, SlurmCommand.Node, job, cancellation);
                return ExitCodes.Success;
            });
        }
        else
        {
            file.End(); // It has no lease, or its file went with a boot: the next run needs a prolog all the same.
        }

        return result;
    }
}
