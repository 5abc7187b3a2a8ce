using System.Globalization;
using Nvml.Mig.Cli.Slurm;

namespace Nvml.Mig.Tests.Cli.Slurm;

/// <summary>Slurm's programs as far as nvmig calls them, for one job, with what was called.</summary>
internal sealed class FakeSlurm
{
    public const long Job = 12;

    public List<string> Called { get; } = [];

    public string Gres { get; set; } = "gres:migslice:2";

    public string Comment { get; set; } = "(null)";

    public string AdminComment { get; set; } = "(null)";

    public string State { get; set; } = "RUNNING";

    public int Restarts { get; set; }

    public bool IsBatch { get; set; } = true;

    public bool CanRequeue { get; set; } = true;

    /// <summary>The jobs on the node; null: the controller does not answer.</summary>
    public string? Running { get; set; } = "12 RUNNING";

    /// <summary>The commands that fail, by their first words.</summary>
    public string? Failing { get; set; }

    public SlurmController Controller => new(RunAsync);

    /// <summary>The changes that were asked for.</summary>
    public IEnumerable<string> Changes => Called.Where(line => !line.StartsWith("squeue", StringComparison.Ordinal));

    public Task<string> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        string line = string.Join(' ', [program, .. arguments]);
        if (program == "chown")
            return Task.FromResult("");
        Called.Add(line);
        if (Failing is not null && line.StartsWith(Failing, StringComparison.Ordinal))
            throw new SlurmException($"'{line}' ended with exit code 1: no");
        if (line == "scontrol update JobId=12 Requeue=1")
            CanRequeue = true;
        if (line.StartsWith("scontrol requeue", StringComparison.Ordinal) && !CanRequeue)
            throw new SlurmException($"'{line}' ended with exit code 1: Requested operation is presently disabled");
        return Task.FromResult(line switch
        {
            _ when arguments.Contains("comment:4096") => Comment,
            _ when arguments.Contains("admin_comment:4096") => AdminComment,
            _ when arguments.Contains("-w") => Running ?? throw new SlurmException("'squeue' ended with exit code 1: Connection refused"),
            _ when program == "squeue" => Describe(Job, "N/A", Gres),
            _ => "",
        });
    }

    /// <summary>A job's line, as squeue prints the columns that it is asked for.</summary>
    public string Describe(long job, string task, string gres, string perTask = "N/A")
    {
        string[] values =
        [
            job.ToString(CultureInfo.InvariantCulture), task == "N/A" ? "N/A" : "12", task, "N/A", "1000", State,
            Restarts.ToString(CultureInfo.InvariantCulture), IsBatch ? "1" : "0", CanRequeue ? "1" : "0", gres, "N/A", "N/A", perTask,
        ];
        return string.Concat(SlurmJob.Format.Split(',').Zip(
            values, (column, value) => value.PadRight(int.Parse(column.Split(':')[1], CultureInfo.InvariantCulture)))) + "\n";
    }
}
