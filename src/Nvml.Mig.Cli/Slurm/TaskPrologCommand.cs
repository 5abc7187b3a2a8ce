using System.CommandLine;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Slurm;

/// <summary><c>nvmig slurm task-prolog</c>: prints a job's variables as Slurm takes them. It runs as the job's user.</summary>
internal static class TaskPrologCommand
{
    public static Command Build()
    {
        Command command = new(
            "task-prolog",
            "Print the variables of a job's lease as lines that Slurm takes over. A job without a lease, and without GPUs of Slurm's own, "
                + "sees none. Slurm's TaskProlog.")
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
            string[]? lines = new JobFile(parsed.GetValue(SlurmCommand.Folder)!, job, SlurmProgram.RunAsync).Read();
            bool hasGpus = Environment.GetEnvironmentVariable("SLURM_JOB_GPUS") is { Length: > 0 };
            foreach (string line in lines ?? (hasGpus ? [] : JobFile.NoDevices))
                Terminal.WriteLine(line);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new SlurmException($"The variables of job {job} are for its user alone: {e.Message}", e);
        }

        return ExitCodes.Success;
    }
}
