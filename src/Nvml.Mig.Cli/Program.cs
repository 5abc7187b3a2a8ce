using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
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
            return Refuse(parsed, json: args.Contains("--json", StringComparer.Ordinal));

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception e)
        {
            return Failures.Report(e, parsed.GetValue(GlobalOptions.Json));
        }
    }

    /// <summary>Says what is wrong with a command line; the help where there is nothing but a command missing.</summary>
    private static int Refuse(ParseResult parsed, bool json)
    {
        CommandResult command = parsed.CommandResult;
        if (command.Command.Subcommands.Count > 0 && parsed.UnmatchedTokens.Count == 0 && parsed.Errors.Count == 1 && !json)
        {
            new HelpAction().Invoke(parsed);
            return ExitCodes.Usage;
        }

        // The first word that there is no place for: those behind it belong to it. Else what System.CommandLine says, in one line.
        string wrong = parsed.UnmatchedTokens.Count > 0
            ? Slips.Describe(parsed.UnmatchedTokens[0], command)
            : string.Join(' ', parsed.Errors.SelectMany(error => error.Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
        return Failures.Report(new UsageException($"{wrong} Try '{PathTo(command)} --help'."), json);
    }

    private static string PathTo(CommandResult command) => command.Parent is CommandResult parent ? $"{PathTo(parent)} {command.Command.Name}" : "nvmig";
}
