using System.CommandLine;
using Nvml.Mig.Cli.Commands;
using Nvml.Mig.Cli.Output;

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
            DoctorCommand.Build(),
            MigModeCommand.Build("enable", enable: true),
            MigModeCommand.Build("disable", enable: false),
            ProfilesCommand.Build(),
            PlacementsCommand.Build(),
            CreateCommand.Build(),
            ListCommand.Build(),
            PlanCommand.Build(),
            ApplyCommand.Build(),
            AssertCommand.Build(),
            ExportCommand.Build(),
            RollbackCommand.Build(),
            DestroyCommand.Build(),
            BenchCommand.Build(),
            CdiCommand.Build(),
            SimulateCommand.Build(),
        };

        // No response files: an argument is what it says, '@' or not.
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            string message = string.Join(" ", parsed.Errors.Select(e => e.Message)) + " Try 'nvmig --help'.";
            return Failures.Report(new UsageException(message), json: args.Contains("--json", StringComparer.Ordinal));
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception e)
        {
            return Failures.Report(e, parsed.GetValue(GlobalOptions.Json));
        }
    }
}
