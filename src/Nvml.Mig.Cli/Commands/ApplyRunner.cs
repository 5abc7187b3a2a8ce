using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Commands;

/// <summary>What the commands that change layouts have in common: options, interruption, progress, report and exit code.</summary>
internal static class ApplyRunner
{
    public static readonly Option<bool> DryRun = new("--dry-run") { Description = "Say what would be done, and do nothing." };

    public static readonly Option<bool> ResetGpu = new("--reset-gpu")
    {
        Description = "Reset a GPU (nvidia-smi --gpu-reset) where its MIG mode waits for that. Nothing may use the GPU then.",
    };

    public static readonly Option<bool> AllOrNothing = new("--all-or-nothing")
    {
        Description = "If one GPU fails, take all back; without it, the others finish.",
    };

    public static readonly Option<bool> Quiesce = new("--quiesce")
    {
        Description = $"Where something hidden holds a GPU, or a reset needs it, stop the services that hold GPUs ({string.Join(", ", GpuServices.DefaultUnits)}), and start those again that ran. Not on a simulated machine.",
    };

    public static readonly Option<string[]> Services = new("--services")
    {
        Description = "With --quiesce: the systemd units to stop, in this order, in place of the usual ones.",
        HelpName = "UNIT",
        AllowMultipleArgumentsPerToken = true,
    };

    public static readonly Option<string[]> BeforeStop = new("--before-stop")
    {
        Description = "With --quiesce: a command for /bin/sh to run before services are stopped; if it fails, none is.",
        HelpName = "COMMAND",
    };

    public static readonly Option<string[]> AfterStart = new("--after-start")
    {
        Description = "With --quiesce: a command for /bin/sh to run after services were started again.",
        HelpName = "COMMAND",
    };

    public static readonly Option<string?> JournalFolder = new("--record-folder")
    {
        Description = $"The folder that the layout is recorded in before it is changed; by default {ApplyOptions.DefaultJournalFolder}, for a simulated machine beside its file.",
        HelpName = "DIR",
    };

    public static int Run(
        ParseResult parsed,
        Machine machine,
        string done,
        Func<ApplyOptions, IProgress<ApplyProgress>?, CancellationToken, Task<ApplyResult>> apply)
    {
        ApplyOptions options = new()
        {
            DryRun = parsed.GetValue(DryRun),
            AllOrNothing = parsed.GetResult(AllOrNothing) is not null && parsed.GetValue(AllOrNothing),
            JournalFolder = GetJournalFolder(parsed, machine),
            ResetGpu = parsed.GetValue(ResetGpu) ? NvidiaSmi.ResetGpuAsync : null,
            Services = ServicesOf(parsed, machine),
            Quiesce = parsed.GetValue(Quiesce),
        };
        using Interruption interruption = new();
        ApplyResult result = ApplyProgressView.Run(machine, progress => apply(options, progress, interruption.Token).GetAwaiter().GetResult());
        return Report(machine, result, options.DryRun, done);
    }

    public static string GetJournalFolder(ParseResult parsed, Machine machine) =>
        parsed.GetValue(JournalFolder) is { } folder ? Path.GetFullPath(folder) : machine.JournalFolder;

    /// <summary>Services are the real machine's. Without --quiesce none is stopped, but what an apply that died has stopped is started again.</summary>
    private static GpuServices? ServicesOf(ParseResult parsed, Machine machine)
    {
        string[] units = parsed.GetValue(Services) ?? [];
        bool quiesce = parsed.GetValue(Quiesce);
        if (!quiesce && (units.Length > 0 || parsed.GetValue(BeforeStop) is { Length: > 0 } || parsed.GetValue(AfterStart) is { Length: > 0 }))
            throw new UsageException("--services, --before-stop and --after-start go with --quiesce.");
        if (quiesce && machine.IsSimulated)
            throw new UsageException("--quiesce stops services of the real machine: it does not go with --simulate.");
        return machine.IsSimulated ? null : new GpuServices
        {
            JournalPath = parsed.GetValue(JournalFolder) is { } folder ? Path.Combine(Path.GetFullPath(folder), "stopped-services") : GpuServices.DefaultJournalPath,
            Units = units.Length > 0 ? units : null,
            BeforeStop = Hooks(BeforeStop),
            AfterStart = Hooks(AfterStart),
        };

        ServiceHook[] Hooks(Option<string[]> option) =>
            [.. (parsed.GetValue(option) ?? []).Select(line => ServiceHook.Command("/bin/sh", ["-c", line]) with { Name = line })];
    }

    private static int Report(Machine machine, ApplyResult result, bool dryRun, string done)
    {
        if (result.Gpus.Count == 0)
            throw result.Error ?? new NvmlNotFoundException(NvmlReturnCode.NotFound, "", "Nothing is recorded that was not taken back already.");
        SayFailures(result);
        if (!machine.Json && result.Services is { } services)
            ApplyView.ShowServices(machine.Out, services);

        (int exitCode, ErrorEntry? error) = Judge(result);
        if (machine.Json)
            Documents.Print(new ApplyDocument([.. result.Gpus.Select(ApplyView.ToEntry)], result.Services, error));
        else
            ApplyView.Show(machine.Out, result, dryRun, done);
        return exitCode;
    }

    public static void SayFailures(ApplyResult result)
    {
        foreach (GpuApplyResult gpu in result.Gpus.Where(g => !g.IsSuccess))
            Failures.Say($"GPU {gpu.Gpu.Index}: {gpu.Message}");
        if (result.Error is { } beside)
            Failures.Say(beside.Message);
        foreach (ServiceFailure failure in result.Services?.Failures ?? [])
            Failures.Say(failure.Message);
    }

    /// <summary>What is worst counts: what could not be restored, then what is the cause of the rest.</summary>
    public static (int ExitCode, ErrorEntry? Error) Judge(ApplyResult result)
    {
        GpuApplyResult? worst = result.Gpus.FirstOrDefault(g => g.Outcome == ApplyOutcome.NotRestored)
            ?? result.Gpus.FirstOrDefault(g => g.Refusal is not null || g.Error is not null and not OperationCanceledException)
            ?? result.Gpus.FirstOrDefault(g => !g.IsSuccess);
        if (worst is null && result.Error is { } beside)
            return (ExitCodes.For(beside), ErrorEntry.From(beside));
        if (worst is null && result.Services is { StillStopped.Count: > 0 } services)
        {
            return (ExitCodes.For(NvmlReturnCode.OperatingSystem), new ErrorEntry(
                (int)NvmlReturnCode.OperatingSystem, nameof(NvmlReturnCode.OperatingSystem), null, $"Services that ran do not run again: {string.Join(", ", services.StillStopped)}."));
        }

        if (worst is null)
            return (ExitCodes.Success, null);
        int code = worst.Outcome == ApplyOutcome.NotRestored ? ExitCodes.NotRestored
            : worst.Refusal is { } refusal ? ExitCodes.For(refusal)
            : ExitCodes.For(worst.Error!);
        return (code, ApplyView.ErrorOf(worst)! with { Message = $"GPU {worst.Gpu.Index}: {worst.Message}" });
    }
}
