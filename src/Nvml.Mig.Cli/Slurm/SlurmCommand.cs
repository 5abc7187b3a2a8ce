using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Slurm;

/// <summary><c>nvmig slurm</c>: what Slurm calls for each of its jobs, and its configuration. docs/slurm.md explains it.</summary>
internal static class SlurmCommand
{
    public static readonly Option<string> Folder = new("--folder")
    {
        Description = $"Where the prolog leaves the variables of each job for the task prolog. By default {JobFile.DefaultFolder}.",
        HelpName = "DIR",
        DefaultValueFactory = _ => JobFile.DefaultFolder,
    };

    /// <summary>This node's name in Slurm; null if Slurm does not run this command.</summary>
    public static string? Node => Environment.GetEnvironmentVariable("SLURMD_NODENAME") is { Length: > 0 } name ? name : null;

    public static Command Build() => new("slurm", "Lease instances for Slurm's jobs: its prolog, task prolog and epilog.")
    {
        ConfigCommand.Build(),
        PrologCommand.Build(),
        TaskPrologCommand.Build(),
        EpilogCommand.Build(),
    };

    /// <summary>The job that Slurm runs this command for.</summary>
    /// <exception cref="UsageException">Slurm does not run it.</exception>
    public static long ReadJob() =>
        long.TryParse(Environment.GetEnvironmentVariable("SLURM_JOB_ID"), NumberStyles.None, CultureInfo.InvariantCulture, out long job)
            ? job
            : throw new UsageException("SLURM_JOB_ID is not set: Slurm runs this command, see 'nvmig slurm config'.");

    /// <summary>
    /// Runs the prolog or the epilog. Slurm drains the node if one fails: the reason is then what sinfo -R shows, and not only that it
    /// failed.
    /// </summary>
    public static int Run(ParseResult parsed, Func<SlurmController, SlurmJobDocument> command)
    {
        SlurmController slurm = new(SlurmProgram.RunAsync);
        bool json = parsed.GetValue(GlobalOptions.Json);
        try
        {
            SlurmJobDocument document = command(slurm);
            if (json)
                Documents.Print(document);
            else if (document.Outcome != SlurmOutcome.Nothing)
                Terminal.WriteError(document.ToString());
            return ExitCodes.Success;
        }
        catch (Exception e) when (e is not OperationCanceledException && Node is not null)
        {
            int code = Failures.Report(e, json);
            Drain(slurm, Node, $"nvmig: {SlurmProgram.OneLine(e.Message)}");
            return code;
        }
    }

    private static void Drain(SlurmController slurm, string node, string reason)
    {
        try
        {
            slurm.DrainAsync(node, reason, CancellationToken.None).GetAwaiter().GetResult();
        }
        catch (SlurmException e)
        {
            Terminal.WriteError(e.Message);
        }
    }
}
