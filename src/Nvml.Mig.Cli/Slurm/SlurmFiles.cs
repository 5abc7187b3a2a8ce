using System.Globalization;
using System.Text;
using Nvml.Mig.Cli.Arguments;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>The files of Slurm's configuration.</summary>
internal sealed class SlurmFiles
{
    private readonly string _scripts;

    /// <summary>The files for a node.</summary>
    /// <exception cref="UsageException">dotnet runs this program, which has no path of its own then.</exception>
    public SlurmFiles(string node, int slices, string scripts, SlurmScriptOptions options)
    {
        if (Path.GetFileName(Program) == "dotnet")
            throw new UsageException("Slurm's scripts start this program by its path. Start nvmig itself for this, not dotnet with it.");
        (Node, _scripts) = (node, scripts);
        All =
        [
            new SlurmFileEntry("gres.conf", false, Text($"NodeName={node} Name={SlurmJob.Gres} Count={slices} Flags=CountOnly\n")),
            new SlurmFileEntry("slurm.conf", false, SlurmConf(slices)),
            new SlurmFileEntry(PathOf("prolog"), true, CallScript("prolog", options, options.Prolog)),
            new SlurmFileEntry(PathOf("task-prolog"), true, TaskScript(options.Folder)),
            new SlurmFileEntry(PathOf("epilog"), true, CallScript("epilog", options, options.Epilog)),
        ];
    }

    public string Node { get; }

    private static string Program => Environment.ProcessPath ?? "nvmig";

    public IReadOnlyList<SlurmFileEntry> All { get; }

    /// <summary>The file of a name, which for a script is what it is for.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public SlurmFileEntry Find(string name) =>
        All.FirstOrDefault(f => f.Path == (f.IsScript ? PathOf(name) : name))
        ?? throw new UsageException($"--only '{name}' is not gres.conf, slurm.conf, prolog, task-prolog or epilog.");

    /// <summary>
    /// A job without a lease sees no GPU, as Slurm has it for jobs without a GPU of its own.
    /// </summary>
    private static string TaskScript(string folder) => Text($"""
        #!/bin/sh
        # Prints what 'nvmig slurm task-prolog' prints, without a start of nvmig for each task.
        file={Quote(Path.GetFullPath(folder))}/"$SLURM_JOB_ID"
        [ ! -e "$file".env ] || exec cat "$file".env
        # Slurm has not run the prolog again: nvmig requeues the job.
        nvmig={Quote(Program)}
        [ ! -e "$file".over ] || [ ! -x "$nvmig" ] || exec "$nvmig" slurm task-prolog --folder {Quote(Path.GetFullPath(folder))}
        [ -z "$SLURM_JOB_GPUS" ] || exit 0
        {string.Join('\n', JobFile.NoDevices.Select(line => $"echo '{line}'"))}

        """);

    /// <summary>slurmd throws away what its scripts say.</summary>
    private static string CallScript(string command, SlurmScriptOptions options, IReadOnlyList<string> own)
    {
        StringBuilder text = new("#!/bin/sh\n# On a node without nvmig it does nothing.\n");
        text.Append(CultureInfo.InvariantCulture, $"[ -x {Quote(Program)} ] || exit 0\n");
        foreach ((string name, string value) in options.Variables)
            text.Append(CultureInfo.InvariantCulture, $"export {name}={Quote(value)}\n");
        IEnumerable<string> words = [Program, .. options.Global, "slurm", command, .. own];
        text.Append(CultureInfo.InvariantCulture, $"said=$({string.Join(' ', words.Select(Quote))} 2>&1)\ncode=$?\n");
        return text.Append("[ -z \"$said\" ] || logger -t nvmig -- \"$said\"\nexit $code\n").ToString();
    }

    /// <summary>As a shell takes it literally.</summary>
    private static string Quote(string word) =>
        word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || "-_./:=,+@%".Contains(c, StringComparison.Ordinal))
            ? word
            : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private string SlurmConf(int slices) => Text($"""
        # Where a line is there already, add to it, separated by commas. The scripts must be on all nodes.
        GresTypes={SlurmJob.Gres}
        PrologFlags=Alloc
        SchedulerParameters=nohold_on_prolog_fail
        Prolog={PathOf("prolog")}
        TaskProlog={PathOf("task-prolog")}
        Epilog={PathOf("epilog")}
        # In the line of the node, behind what it has:
        # NodeName={Node} ... Gres={SlurmJob.Gres}:{slices}

        """);

    private string PathOf(string script) => Path.Combine(_scripts, $"nvmig-{script}");
}
