using System.CommandLine;
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
        reset.SetAction(parsed => Reset(parsed.GetValue(GlobalOptions.Simulate)));
        return new Command("simulate", "Look after simulated machines.") { reset };
    }

    private static int Reset(string? spec)
    {
        try
        {
            string[] files = spec is not null ? [SimulatedMachines.FileFor(spec)]
                : SimulatedMachines.FileFromEnvironment is { } file ? [file]
                : SimulatedMachines.AllFiles();
            foreach (string path in files.Where(File.Exists))
            {
                NvmlSimulator.Reset(path, spec);
                Console.Out.WriteLine($"Reset {path}.");
            }

            if (!files.Any(File.Exists))
                Console.Out.WriteLine("There is no simulated machine yet: nothing to reset.");
            return ExitCodes.Success;
        }
        catch (NvmlException e)
        {
            Machine.Report(e.Message);
            return ExitCodes.For(e.Code);
        }
        catch (UsageException e)
        {
            Machine.Report(e.Message);
            return ExitCodes.Usage;
        }
    }
}
