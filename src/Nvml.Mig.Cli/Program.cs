using System.CommandLine;
using Nvml.Mig.Cli.Commands;

namespace Nvml.Mig.Cli;

internal static class Program
{
    public static int Main(string[] args)
    {
        RootCommand root = new(
            "Divides NVIDIA GPUs into MIG instances. Exit code: 0, or the nvmlReturn_t of what failed, as nvidia-smi's; 64 for a command line that makes no sense.")
        {
            GlobalOptions.Gpu,
            GlobalOptions.Json,
            GlobalOptions.Simulate,
            DevicesCommand.Build(),
            MigModeCommand.Build("enable", enable: true),
            MigModeCommand.Build("disable", enable: false),
            ProfilesCommand.Build(),
            PlacementsCommand.Build(),
            CreateCommand.Build(),
            ListCommand.Build(),
            DestroyCommand.Build(),
            SimulateCommand.Build(),
        };

        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (string message in parsed.Errors.Select(e => e.Message))
                Console.Error.WriteLine($"nvmig: {message}");
            Console.Error.WriteLine("Try 'nvmig --help'.");
            return ExitCodes.Usage;
        }

        return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    }
}
