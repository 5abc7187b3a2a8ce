using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Bench;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig bench</c>: how long it takes to divide this GPU.</summary>
internal static class BenchCommand
{
    private static readonly Option<int> Repetitions = new("--repetitions", "-n")
    {
        Description = "How often each operation is measured.",
        HelpName = "COUNT",
        DefaultValueFactory = _ => 20,
    };

    private static readonly Option<int> Warmup = new("--warmup")
    {
        Description = "How often each is done before that, unmeasured.",
        HelpName = "COUNT",
        DefaultValueFactory = _ => 2,
    };

    private static readonly Option<bool> ModeSwitch = new("--mode-switch")
    {
        Description = "Switch MIG mode as well, and measure that. On Ampere the driver resets the GPU each time. Needed where MIG is disabled; that is restored.",
    };

    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do not ask. On a simulated machine nothing is asked." };

    public static Command Build()
    {
        Command command = new("bench", "Measure how long it takes to create and destroy instances on an empty GPU, which is left as it was.")
        {
            Repetitions,
            Warmup,
            ModeSwitch,
            Yes,
            HostOption.Root,
            ApplyRunner.JournalFolder,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine)));
        return command;
    }

    private static int Run(ParseResult parsed, Machine machine)
    {
        int repetitions = parsed.GetValue(Repetitions);
        int warmup = parsed.GetValue(Warmup);
        if (repetitions < 1 || warmup < 0)
            throw new UsageException("--repetitions is 1 or more, --warmup 0 or more.");
        IReadOnlyList<GpuDevice> gpus = machine.GpusToChange();
        if (gpus.Count != 1)
            throw new UsageException($"One GPU is measured at a time, and there are {gpus.Count}: choose it with -i.");
        GpuDevice gpu = gpus[0];
        bool isEnabled = gpu.GetMigMode().Current;
        // On a simulated machine nobody can be harmed: nothing has to be asked for.
        bool switchesMode = parsed.GetValue(ModeSwitch) || (machine.IsSimulated && !isEnabled);
        if (!isEnabled && !switchesMode)
            throw new NvmlNotSupportedException(NvmlReturnCode.NotSupported, "", $"MIG mode is disabled on {gpu}: add --mode-switch, or run 'nvmig enable' first. Nothing was changed.");
        ThrowIfHeld(parsed, gpu);

        ApplyOptions options = new() { JournalFolder = ApplyRunner.GetJournalFolder(parsed, machine) };
        // Who is asked should know before what is in the way. When the GPU is lent, it is looked at again.
        ApplyResult check = LayoutApplier.RunExclusivelyAsync(gpu, _ => Task.CompletedTask, options with { DryRun = true }).GetAwaiter().GetResult();
        if (!check.IsSuccess)
            return Report(machine, check, [], repetitions, warmup);

        BenchPlan plan = BenchPlan.For(gpu);
        foreach (string line in BenchView.Announce(gpu, plan, switchesMode, repetitions, warmup))
            Console.Error.WriteLine(line);
        if (!parsed.GetValue(Yes) && !machine.IsSimulated)
            Ask();

        IReadOnlyList<Measurement> measured = [];
        using Interruption interruption = new();
        ApplyResult result = BenchProgressView.Run(
            machine,
            gpu,
            BenchRun.CountSteps(plan, switchesMode, repetitions, warmup),
            (say, progress) => LayoutApplier.RunExclusivelyAsync(gpu, use => Measure(use, say), options, progress, interruption.Token).GetAwaiter().GetResult());
        return Report(machine, result, measured, repetitions, warmup);

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

    /// <summary>
    /// Monitoring services that have the GPU's device file open are no obstacle, or the driver says so; a program that nobody knows may be
    /// about to use the GPU.
    /// </summary>
    private static void ThrowIfHeld(ParseResult parsed, GpuDevice gpu)
    {
        // A simulated machine has no host, unless one is named.
        if (parsed.GetValue(GlobalOptions.Simulate) is not null && parsed.GetResult(HostOption.Root) is null)
            return;
        int minor = gpu.MinorNumber;
        GpuClient[] holders = [.. GpuClients.Find(HostOption.GetRoot(parsed)).Clients.Where(h => !h.IsSelf && h.Service is null && h.GpuMinors.Contains(minor))];
        if (holders.Length > 0)
            throw new NvmlInUseException(NvmlReturnCode.InUse, "", $"{gpu} may be in use: its device file is open in {string.Join(" and ", holders.AsEnumerable())}. Nothing was changed.");
    }

    private static void Ask()
    {
        if (Console.IsInputRedirected || Console.IsErrorRedirected)
            throw new UsageException("There is no terminal to ask on: say --yes. Nothing was changed.");
        Console.Error.Write("Go on? [y/N] ");
        if (Console.In.ReadLine()?.Trim().ToUpperInvariant() is not ("Y" or "YES"))
            throw new OperationCanceledException("Nothing was changed.");
    }

    private static int Report(Machine machine, ApplyResult result, IReadOnlyList<Measurement> measured, int repetitions, int warmup)
    {
        GpuApplyResult gpu = result.Gpus[0];
        ApplyRunner.SayFailures(result);
        (int exitCode, ErrorEntry? error) = ApplyRunner.Judge(result);
        if (machine.Json)
        {
            Documents.Print(new BenchDocument(
                gpu.Gpu.Index,
                gpu.Gpu.Uuid,
                gpu.Gpu.Name,
                machine.Session.GetDriverVersion(),
                machine.Session.LibraryPath,
                repetitions,
                warmup,
                [.. measured.Select(BenchView.ToEntry)],
                gpu.Outcome,
                gpu.Differences,
                error));
        }
        else
        {
            BenchView.Show(machine.Out, measured);
            if (gpu.IsSuccess)
                Console.Out.WriteLine($"GPU {gpu.Gpu.Index} is as it was before.");
        }

        return exitCode;
    }
}
