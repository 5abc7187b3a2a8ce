using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Bench;

/// <summary><c>nvmig bench</c>: measures how long it takes to divide a GPU.</summary>
internal static class BenchCommand
{
    private static readonly Option<int> Repetitions = new("--repetitions", "-n")
    {
        Description = "How often to measure each operation.",
        HelpName = "COUNT",
        DefaultValueFactory = _ => 20,
    };

    private static readonly Option<int> Warmup = new("--warmup")
    {
        Description = "How often to run each operation before that, unmeasured.",
        HelpName = "COUNT",
        DefaultValueFactory = _ => 2,
    };

    private static readonly Option<bool> ModeSwitch = new("--mode-switch")
    {
        Description =
            "Also switch MIG mode and measure that. On Ampere the driver resets the GPU each time. Necessary if MIG is disabled; the "
                + "mode is restored.",
    };

    private static readonly Option<bool> Yes = new("--yes", "-y")
    {
        Description = "Do not ask for confirmation. On a simulated machine it never asks.",
    };

    public static Command Build()
    {
        Command command = new("bench", "Measure how long it takes to create and destroy instances on an empty GPU, and leave it as it was.")
        {
            Repetitions,
            Warmup,
            ModeSwitch,
            Yes,
            HostOption.Root,
            ApplyArguments.JournalFolder,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine)));
        return command;
    }

    private static int Run(ParseResult parsed, Machine machine)
    {
        int repetitions = parsed.GetValue(Repetitions);
        int warmup = parsed.GetValue(Warmup);
        if (repetitions < 1 || warmup < 0)
            throw new UsageException("--repetitions must be 1 or more, --warmup 0 or more.");
        (GpuDevice gpu, bool switchesMode) = SelectGpu(parsed, machine);
        string driver = machine.Session.GetDriverVersion(); // Now: a failure afterwards must not take away the report.
        ThrowIfInUse(parsed, gpu);

        ApplyOptions options = new()
        {
            JournalFolder = ApplyArguments.GetJournalFolder(parsed, machine),
            LockTimeout = Machine.LockTimeout,
        };
        // Report obstacles before asking for confirmation. The exclusive run checks again.
        ApplyResult check = LayoutApplier.RunExclusivelyAsync(gpu, _ => Task.CompletedTask, options with { DryRun = true })
            .GetAwaiter().GetResult();
        if (!check.IsSuccess)
            return Report(machine, driver, check, [], repetitions, warmup);

        BenchPlan plan = BenchPlan.For(gpu);
        foreach (string line in BenchView.Announce(gpu, plan, switchesMode, repetitions, warmup))
            Terminal.WriteProgress(line);
        if (!parsed.GetValue(Yes) && !machine.IsSimulated)
            Ask();

        IReadOnlyList<Measurement> measured = [];
        using Interruption interruption = new();
        ApplyResult result = BenchProgressView.Run(
            machine.Json,
            gpu,
            BenchRun.CountSteps(plan, switchesMode, repetitions, warmup),
            (say, progress) =>
                LayoutApplier.RunExclusivelyAsync(gpu, use => Measure(use, say), options, progress, interruption.Token)
                    .GetAwaiter().GetResult());
        return Report(machine, driver, result, measured, repetitions, warmup);

        Task Measure(CancellationToken cancellationToken, Action<string, TimeSpan?> say)
        {
            BenchRun run = new(gpu, plan, repetitions, warmup, say, cancellationToken);
            try
            {
                if (switchesMode)
                    run.MeasureMode();
                run.MeasurePlaces();
                run.MeasureLayouts();
            }
            finally
            {
                measured = run.Measurements;
            }

            return Task.CompletedTask;
        }
    }

    private static (GpuDevice Gpu, bool SwitchesMode) SelectGpu(ParseResult parsed, Machine machine)
    {
        IReadOnlyList<GpuDevice> gpus = machine.GpusToChange();
        if (gpus.Count != 1)
            throw new UsageException($"bench measures one GPU at a time, and there are {gpus.Count}: select one with -i.");
        GpuDevice gpu = gpus[0];
        MigMode mode = gpu.GetMigMode();
        bool isEnabled = mode.Current;
        // On a simulated machine a change of mode harms nobody, so it needs no option.
        bool switchesMode = parsed.GetValue(ModeSwitch) || (machine.IsSimulated && !isEnabled);
        if (PendingMode.Describe(gpu, mode) is { } pending && (switchesMode || !isEnabled))
        {
            throw new NvmlResetRequiredException(
                NvmlReturnCode.ResetRequired,
                "",
                $"bench cannot switch the MIG mode of {gpu}, and leave it as it was: {pending} Nothing was changed.");
        }

        if (!isEnabled && !switchesMode)
        {
            throw new NvmlNotSupportedException(
                NvmlReturnCode.NotSupported,
                "",
                $"MIG mode is disabled on {gpu}: add --mode-switch, or run 'nvmig enable' first. Nothing was changed.");
        }

        return (gpu, switchesMode);
    }

    /// <summary>
    /// Refuses a GPU whose device file is open in an unknown program, which may be about to use it. Known monitoring services are no
    /// obstacle; if they are, the driver reports it.
    /// </summary>
    private static void ThrowIfInUse(ParseResult parsed, GpuDevice gpu)
    {
        // A simulated machine has no host unless one is named.
        if (parsed.GetValue(GlobalOptions.Simulate) is not null && parsed.GetResult(HostOption.Root) is null)
            return;
        int minor = gpu.MinorNumber;
        GpuClient[] clients = [.. GpuClients.Find(HostOption.GetRoot(parsed)).Clients
            .Where(client => !client.IsSelf && client.Service is null && client.GpuMinors.Contains(minor))];
        if (clients.Length > 0)
        {
            throw new NvmlInUseException(
                NvmlReturnCode.InUse,
                "",
                $"{gpu} may be in use: its device file is open in {string.Join(" and ", clients.AsEnumerable())}. Nothing was changed.");
        }
    }

    private static void Ask()
    {
        if (Console.IsInputRedirected || Console.IsErrorRedirected)
            throw new UsageException("There is no terminal to ask on: add --yes. Nothing was changed.");
        if (Terminal.Ask("Go on? [y/N] ")?.Trim().ToUpperInvariant() is not ("Y" or "YES"))
            throw new OperationCanceledException("Nothing was changed.");
    }

    private static int Report(
        Machine machine, string driver, ApplyResult result, IReadOnlyList<Measurement> measured, int repetitions, int warmup)
    {
        GpuApplyResult gpu = result.Gpus[0];
        ApplyRun.WriteErrors(result);
        if (gpu.Outcome == ApplyOutcome.NotRestored)
            Terminal.WriteError($"GPU {gpu.Gpu.Index}: once the cause is mended, 'nvmig rollback' empties it.");
        (int exitCode, ErrorEntry? error) = ApplyRun.Judge(result);
        if (machine.Json)
        {
            Documents.Print(new BenchDocument(
                gpu.Gpu.Index,
                gpu.Gpu.Uuid,
                gpu.Gpu.Name,
                driver,
                machine.Session.LibraryPath,
                repetitions,
                warmup,
                [.. measured.Select(MeasurementEntry.From)],
                gpu.Outcome,
                gpu.Differences,
                error));
        }
        else
        {
            BenchView.Show(measured);
            if (gpu.IsSuccess)
                Terminal.WriteLine($"GPU {gpu.Gpu.Index} is as it was before.");
        }

        return exitCode;
    }
}
