using System.Globalization;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>A job as Slurm has it.</summary>
/// <param name="Id">Its number. Each task of an array has its own.</param>
/// <param name="Name">The name by which Slurm's programs mean this job alone: the number of an array's first task means the array.</param>
/// <param name="Uid">Its user.</param>
/// <param name="State">Its state, such as <c>RUNNING</c>.</param>
/// <param name="Slices">The slices that it has on each of its nodes.</param>
/// <param name="Restarts">How often it was requeued.</param>
/// <param name="IsBatch">Whether it has a script, which Slurm can start again.</param>
/// <param name="CanRequeue">Whether its user lets it be started again.</param>
internal sealed record SlurmJob(
    long Id, string Name, uint Uid, string State, int Slices, int Restarts, bool IsBatch, bool CanRequeue)
{
    /// <summary>The generic resource that counts compute slices.</summary>
    public const string Gres = "migslice";

    /// <summary>
    /// The columns that are asked for, each with its width. No text of the user's is among them: a name or a comment could pretend to be
    /// another column, or another job.
    /// </summary>
    private static readonly (string Field, int Width)[] Columns =
    [
        ("jobid", 24), ("arrayjobid", 24), ("arraytaskid", 24), ("hetjobid", 24), ("userid", 24), ("state", 24), ("restartcnt", 24),
        ("batchflag", 24), ("requeue", 24), ("tres-per-node", 512), ("tres-per-job", 512), ("tres-per-socket", 512),
        ("tres-per-task", 512),
    ];

    /// <summary>The columns that squeue is asked for.</summary>
    public static string Format { get; } =
        string.Join(',', Columns.Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Field}:{c.Width}")));

    /// <summary>
    /// The unit that slices are asked for by, if it is not the node: a task, for instance. Then nothing tells how many are on this node.
    /// </summary>
    public string? CountedBy { get; init; }

    /// <summary>Reads the job from what squeue printed; null if it is not there.</summary>
    /// <exception cref="SlurmException">It cannot be understood.</exception>
    public static SlurmJob? Read(string printed, long id)
    {
        foreach (string line in printed.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Dictionary<string, string> columns = Split(line);
            if (ReadNumber(columns["jobid"]) == id)
                return From(columns, id);
        }

        return null;
    }

    private static SlurmJob From(Dictionary<string, string> columns, long id)
    {
        // "N/A" and 0 are none.
        string name = ReadNumber(columns["arraytaskid"]) is { } task
            ? string.Create(CultureInfo.InvariantCulture, $"{ReadNumber(columns["arrayjobid"])}_{task}")
            : (ReadNumber(columns["hetjobid"]) is > 0 and { } leader ? leader : id).ToString(CultureInfo.InvariantCulture);
        if (ReadNumber(columns["userid"]) is not { } uid)
            throw new SlurmException($"squeue shows no user of job {name}: '{columns["userid"]}'.");
        return new SlurmJob(
            id,
            name,
            (uint)uid,
            columns["state"],
            Count(columns["tres-per-node"]),
            (int)(ReadNumber(columns["restartcnt"]) ?? 0),
            columns["batchflag"] == "1",
            columns["requeue"] == "1")
        {
            CountedBy = Array.Find((string[])["job", "socket", "task"], kind => Count(columns[$"tres-per-{kind}"]) > 0),
        };
    }

    /// <summary>
    /// Adds up the parts that are of the resource: <c>gres:migslice:2,gres:gpu:1</c>, or <c>gres/migslice=2</c> as newer versions have it.
    /// Without a number it is one; a type can stand before the number.
    /// </summary>
    private static int Count(string tres) => tres.Split(',').Sum(part =>
    {
        string[] words = part.Split([':', '/', '='], StringSplitOptions.RemoveEmptyEntries);
        int at = Array.IndexOf(words, Gres);
        if (at is not (0 or 1) || (at == 1 && words[0] != "gres"))
            return 0;
        return words.Length == at + 1 ? 1 : (int)(ReadNumber(words[^1]) ?? 1);
    });

    private static Dictionary<string, string> Split(string line)
    {
        Dictionary<string, string> columns = new(StringComparer.Ordinal);
        int at = 0;
        foreach ((string field, int width) in Columns)
        {
            columns[field] = line[Math.Min(at, line.Length)..Math.Min(at + width, line.Length)].Trim();
            at += width;
        }

        return columns;
    }

    private static long? ReadNumber(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;
}
