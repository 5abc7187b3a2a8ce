using System.CommandLine;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Slurm;

/// <summary><c>nvmig slurm task-prolog</c>: prints a job's variables as Slurm takes them. It runs as the job's user.</summary>
internal static class TaskPrologCommand
{
    public static Command Build()
    {
        Command command = new(
            "task-prolog", "Print the variables of a job's lease as lines that Slurm takes over, if it has one. Slurm's TaskProlog.")
        {
            SlurmCommand.Folder,
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        long job = SlurmCommand.ReadJob();
        try
        {
            foreach (string line in new JobFile(parsed.GetValue(SlurmCommand.Folder)!, job, SlurmProgram.RunAsync).Read())
                Terminal.WriteLine(line);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new SlurmException($"The variables of job {job} are for its user alone: {e.Message}", e);
        }

        return ExitCodes.Success;
    }
}
