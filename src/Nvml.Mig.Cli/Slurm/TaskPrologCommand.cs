using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Slurm;

/// <summary><c>nvmig slurm task-prolog</c>: prints a job's variables as Slurm takes them. It runs as the job's user.</summary>
internal static class TaskPrologCommand
{
    private static readonly TimeSpan EndPatience = TimeSpan.FromMinutes(1);

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

    /// <summary>
    /// Slurm 22.05 now and then starts a job that was requeued without a prolog: it takes the old run's for it. Without a lease the job
    /// would compute without a GPU, or fail. Its user may send it back.
    /// </summary>
    private static void Requeue(long job)
    {
        // As SlurmJob names it.
        string name = Environment.GetEnvironmentVariable("SLURM_ARRAY_TASK_ID") is { Length: > 0 } task
            ? $"{Environment.GetEnvironmentVariable("SLURM_ARRAY_JOB_ID")}_{task}"
            : Environment.GetEnvironmentVariable("SLURM_HET_JOB_ID") is { Length: > 0 } leader ? leader
            : job.ToString(CultureInfo.InvariantCulture);
        try
        {
            SlurmProgram.RunAsync("scontrol", ["requeue", name], CancellationToken.None).GetAwaiter().GetResult();
            Terminal.WriteError("Slurm has started this job without its prolog, so that it has no GPU. It is requeued.");
            Thread.Sleep(EndPatience); // Slurm ends this with the job.
        }
        catch (SlurmException e)
        {
            Terminal.WriteError(
                $"Slurm has started this job without its prolog, so that it has no GPU, and does not requeue it: {e.Message}");
        }
    }

    private static int Run(ParseResult parsed)
    {
        long job = SlurmCommand.ReadJob();
        try
        {
            JobFile file = new(parsed.GetValue(SlurmCommand.Folder)!, job, SlurmProgram.RunAsync);
            string[]? lines = file.Read();
            if (lines is null && file.IsOver)
                Requeue(job);
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
