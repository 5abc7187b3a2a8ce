using System.CommandLine;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Leases;

namespace Nvml.Mig.Cli.Slurm;

/// <summary><c>nvmig slurm prolog</c>: leases what a job asks for. Slurm drains the node if it fails.</summary>
internal static class PrologCommand
{
    public static readonly Option<TimeSpan?> Wait = Durations.Option(
        "--wait", "How long to wait for a place before the job is sent back. By default 10s.");

    private static readonly TimeSpan DefaultWait = TimeSpan.FromSeconds(10);

    public static Command Build()
    {
        Command command = new(
            "prolog",
            "Lease what a job asks for by --gres=migslice:N, or by a comment such as 'nvmig: 3g.40gb'. A job that cannot have it now is "
                + "requeued, one that never can is held, and the reason is in its AdminComment. Slurm's Prolog.")
        {
            ClaimArguments.Queue,
            Wait,
            SlurmCommand.Folder,
            ApplyArguments.JournalFolder,
        };
        command.SetAction(parsed => SlurmCommand.Run(parsed, slurm => Run(parsed, slurm)));
        return command;
    }

    private static SlurmJobDocument Run(ParseResult parsed, SlurmController slurm)
    {
        long job = SlurmCommand.ReadJob();
        JobProlog prolog = new(
            slurm,
            new JobFile(parsed.GetValue(SlurmCommand.Folder)!, job, SlurmProgram.RunAsync),
            SlurmCommand.Node,
            parsed.GetValue(ClaimArguments.Queue)!,
            parsed.GetValue(Wait) ?? DefaultWait);
        SlurmJobDocument? result = prolog.BeginAsync(job, CancellationToken.None).GetAwaiter().GetResult();
        if (result is null)
        {
            LeaseRun.Run(parsed, async (leases, machine, cancellation) =>
            {
                result = await prolog.LeaseAsync(leases, machine.Gpus(), machine.NamesGpus, cancellation);
                return ExitCodes.Success;
            });
        }

        return result!;
    }
}
