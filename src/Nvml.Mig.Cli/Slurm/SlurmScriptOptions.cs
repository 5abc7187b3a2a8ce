using System.CommandLine;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.Simulate;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>How the scripts call nvmig: with the options that were given where they were printed.</summary>
/// <param name="Variables">The variables that it needs: slurmd has few.</param>
/// <param name="Global">Options before the command.</param>
/// <param name="Prolog">Options of the prolog.</param>
/// <param name="Epilog">Options of the epilog.</param>
/// <param name="Folder">The folder of the jobs' variables.</param>
internal sealed record SlurmScriptOptions(
    IReadOnlyList<(string Name, string Value)> Variables,
    IReadOnlyList<string> Global,
    IReadOnlyList<string> Prolog,
    IReadOnlyList<string> Epilog,
    string Folder)
{
    public static SlurmScriptOptions Read(ParseResult parsed)
    {
        string[] common = [.. Given(parsed, SlurmCommand.Folder), .. Given(parsed, ApplyArguments.JournalFolder)];
        return new SlurmScriptOptions(
            [.. ReadVariables(parsed)],
            [.. Given(parsed, GlobalOptions.Simulate), .. Given(parsed, GlobalOptions.Gpu)],
            [.. Given(parsed, ClaimArguments.Queue), .. Given(parsed, PrologCommand.Wait), .. common],
            common,
            parsed.GetValue(SlurmCommand.Folder)!);
    }

    private static IEnumerable<string> Given(ParseResult parsed, Option option) =>
        parsed.GetResult(option) is { Implicit: false } given
            ? given.Tokens.SelectMany(token => (string[])[option.Name, token.Value])
            : [];

    private static IEnumerable<(string Name, string Value)> ReadVariables(ParseResult parsed)
    {
        // Where Slurm's programs are, if not where everybody looks.
        string? slurm = SlurmProgram.FindFile("scontrol") is { } scontrol ? Path.GetDirectoryName(scontrol) : null;
        yield return ("PATH", slurm is null or "/usr/bin" or "/bin" ? "/usr/bin:/bin" : $"{slurm}:/usr/bin:/bin");
        if (parsed.GetValue(GlobalOptions.Simulate) is { } spec)
            yield return (NvmlSimulator.StateVariable, SimulatedMachines.FileFor(spec));
        foreach (string name in (string[])["DOTNET_ROOT", "NVML_LIBRARY_PATH", "NVMIG_AGENT_SOCKET"])
        {
            if (Environment.GetEnvironmentVariable(name) is { Length: > 0 } value)
                yield return (name, value);
        }
    }
}
