using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Assert;
using Nvml.Mig.Cli.Bench;
using Nvml.Mig.Cli.Cdi;
using Nvml.Mig.Cli.Create;
using Nvml.Mig.Cli.Destroy;
using Nvml.Mig.Cli.Devices;
using Nvml.Mig.Cli.Doctor;
using Nvml.Mig.Cli.Export;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Cli.Placements;
using Nvml.Mig.Cli.Plan;
using Nvml.Mig.Cli.Profiles;
using Nvml.Mig.Cli.Queues;
using Nvml.Mig.Cli.Reservations;
using Nvml.Mig.Cli.Rollback;
using Nvml.Mig.Cli.Run;
using Nvml.Mig.Cli.Simulate;
using Nvml.Mig.Cli.Slurm;
using Nvml.Mig.Cli.Top;

namespace Nvml.Mig.Cli;

internal static class Program
{
    public static int Main(string[] args)
    {
        Terminal.Initialize();
        RootCommand root = new(
            "Divides NVIDIA GPUs into MIG instances. Exit code: 0, or the nvmlReturn_t of the failure, as nvidia-smi; 64 for a wrong "
                + "command line.")
        {
            GlobalOptions.Gpu,
            GlobalOptions.Json,
            GlobalOptions.Simulate,
            DevicesCommand.Build(),
            DoctorCommand.Build(),
            ModeCommand.Build("enable", enable: true),
            ModeCommand.Build("disable", enable: false),
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
            RunCommand.Build(),
            LeaseCommand.Build(),
            QueueCommand.Build(),
            ReservationCommand.Build(),
            TopCommand.Build(),
            SlurmCommand.Build(),
            SimulateCommand.Build(),
        };

        // No response files: an argument is taken literally, with '@' or without.
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
            return Terminal.Finish(Refuse(parsed, json: args.Contains("--json", StringComparer.Ordinal)));

        try
        {
            return Terminal.Finish(parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false }));
        }
        catch (Exception e)
        {
            return Terminal.Finish(Failures.Report(e, parsed.GetValue(GlobalOptions.Json)));
        }
    }

    /// <summary>Reports the error in a command line; shows the help if only a command is missing.</summary>
    private static int Refuse(ParseResult parsed, bool json)
    {
        CommandResult command = parsed.CommandResult;
        if (command.Command.Subcommands.Count > 0 && parsed.UnmatchedTokens.Count == 0 && parsed.Errors.Count == 1 && !json)
        {
            new HelpAction().Invoke(parsed);
            return ExitCodes.Usage;
        }

        // The first unmatched word, since those behind it belong to it. Otherwise the errors of System.CommandLine, in one line.
        string wrong = parsed.UnmatchedTokens.Count > 0
            ? Typos.Describe(parsed.UnmatchedTokens[0], command)
            : string.Join(
                ' ', parsed.Errors.SelectMany(error => error.Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
        return Failures.Report(new UsageException($"{wrong} Try '{PathTo(command)} --help'."), json);
    }

    private static string PathTo(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{PathTo(parent)} {command.Command.Name}" : "nvmig";
}
