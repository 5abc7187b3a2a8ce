using System.CommandLine;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig simulate</c>: the simulated machines themselves.</summary>
internal static class SimulateCommand
{
    public static Command Build()
    {
        Command reset = new(
            "reset",
            "Make simulated machines new again: the one that --simulate or NVML_STUB_STATE names, else all of this user's.");
        reset.SetAction(parsed => Reset(parsed.GetValue(GlobalOptions.Simulate), parsed.GetValue(GlobalOptions.Json)));
        return new Command("simulate", "Look after simulated machines.") { reset };
    }

    private static int Reset(string? spec, bool json)
    {
        string[] files = spec is not null ? [SimulatedMachines.FileFor(spec)]
            : SimulatedMachines.FileFromEnvironment is { } file ? [file]
            : SimulatedMachines.AllFiles();
        string[] present = [.. files.Where(File.Exists)];
        foreach (string path in present)
        {
            NvmlSimulator.Reset(path, spec);
            if (!json)
                Console.Out.WriteLine($"Reset {path}.");
        }

        if (json)
            Documents.Print(new ResetDocument(present));
        else if (present.Length == 0)
            Console.Out.WriteLine("There is no simulated machine yet: nothing to reset.");
        return ExitCodes.Success;
    }
}
