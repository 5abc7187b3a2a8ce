using System.CommandLine;
using System.Globalization;
using System.Runtime.Versioning;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Run;

/// <summary><c>nvmig run</c>: leases an instance for a program, and becomes the program.</summary>
internal static class RunCommand
{
    private static readonly Argument<string[]> ProgramAndArguments = new("program")
    {
        Description = "The program and its arguments, behind --.",
        Arity = ArgumentArity.OneOrMore,
    };

    public static Command Build()
    {
        Command command = new(
            "run",
            "Lease a MIG instance and run a program on it. The lease ends with the program. Exit code: the program's; 124 if nothing was "
                + "granted in time, 125 for a failure of nvmig, 126 and 127 for a program that cannot be started or found.");
        foreach (Option option in ClaimArguments.All)
            command.Add(option);
        command.Add(ApplyArguments.JournalFolder);
        command.Add(ProgramAndArguments);
        command.SetAction(Run);
        return command;
    }

    [SupportedOSPlatform("linux")]
    private static int Run(ParseResult parsed)
    {
        LeaseEntry? lease = null;
        bool json = parsed.GetValue(Arguments.GlobalOptions.Json);
        try
        {
            // An option that there is not would be taken for the program.
            if (parsed.GetValue(ProgramAndArguments) is [['-', ..] option, ..])
                throw new Arguments.UsageException($"There is no option {option}. Put -- before the program.");
            LeaseRun.Run(parsed, async (leases, machine, cancellation) =>
            {
                HostProcess self = HostProcess.Current;
                string id = string.Create(CultureInfo.InvariantCulture, $"run-{self.Id}-{self.StartTime}");
                ClaimRequest claim = ClaimArguments.Read(parsed, machine, id);
                // What runs the program is the program itself: a lease that may be taken back ends it, as was asked for.
                claim = claim with { WhileCallerRuns = true, MayEndProcess = claim.Preemptible };
                lease = await LeaseRun.ClaimAsync(leases, claim, ClaimArguments.ReadWait(parsed), json, cancellation);
                return ExitCodes.Success;
            });
        }
        catch (Exception e)
        {
            Failures.Report(e, json);
            return e switch
            {
                LeaseException { Error: LeaseError.Timeout } => ExitCodes.TimedOut,
                OperationCanceledException => ExitCodes.Cancelled,
                Arguments.UsageException => ExitCodes.Usage,
                _ => ExitCodes.RunFailed,
            };
        }

        Terminal.WriteError($"{lease!.Id} has {string.Join("; ", lease.Instances)}.");
        return Become(parsed.GetValue(ProgramAndArguments)!, lease);
    }

    [SupportedOSPlatform("linux")]
    private static int Become(string[] words, LeaseEntry lease)
    {
        Dictionary<string, string> environment = new(Caller.Variables.Concat(lease.Environment), StringComparer.Ordinal)
        {
            ["NVMIG_LEASE"] = lease.Id,
            ["NVMIG_GENERATION"] = lease.Generation.ToString(CultureInfo.InvariantCulture),
        };
        try
        {
            HostProcess.ReplaceProgram(words[0], words[1..], environment, Caller.Sudo);
            return ExitCodes.Success; // It does not return.
        }
        catch (FileNotFoundException e)
        {
            Terminal.WriteError(e.Message);
            return ExitCodes.NoProgram;
        }
        catch (IOException e)
        {
            Terminal.WriteError(e.Message);
            return ExitCodes.NotStarted;
        }
    }
}
