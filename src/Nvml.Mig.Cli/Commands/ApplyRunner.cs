using System.CommandLine;
using System.Runtime.InteropServices;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Layouts;

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

    public static readonly Option<string?> RecordFolder = new("--record-folder")
    {
        Description = $"The folder that the layout is recorded in before it is changed; by default {ApplyOptions.DefaultRecordFolder}, for a simulated machine beside its file.",
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
            RecordFolder = parsed.GetValue(RecordFolder) is { } folder ? Path.GetFullPath(folder) : machine.RecordFolder,
            ResetGpu = parsed.GetValue(ResetGpu) ? NvidiaSmi.ResetGpuAsync : null,
        };
        using CancellationTokenSource cancellation = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
        using PosixSignalRegistration hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Cancel);

        ApplyResult result = ApplyProgressView.Run(machine, progress => apply(options, progress, cancellation.Token).GetAwaiter().GetResult());
        return Report(machine, result, options.DryRun, done);

        // The call under way ends, then what was begun is taken back: the process must live on until then.
        void Cancel(PosixSignalContext signal)
        {
            signal.Cancel = true;
            cancellation.Cancel();
        }
    }

    private static int Report(Machine machine, ApplyResult result, bool dryRun, string done)
    {
        if (result.Gpus.Count == 0)
            throw new NvmlNotFoundException(NvmlReturnCode.NotFound, "", "Nothing is recorded: there is nothing to take back.");
        foreach (GpuApplyResult gpu in result.Gpus.Where(g => !g.IsSuccess))
            Failures.Say($"GPU {gpu.Gpu.Index}: {gpu.Message}");
        if (result.AfterwardsError is { } afterwards)
            Failures.Say($"After the last change: {afterwards.Message}");

        (int exitCode, ErrorEntry? error) = Judge(result);
        if (machine.Json)
            Documents.Print(new ApplyDocument([.. result.Gpus.Select(ApplyView.ToEntry)], error));
        else
            ApplyView.Show(machine.Out, result, dryRun, done);
        return exitCode;
    }

    /// <summary>What is worst counts: what could not be restored, then what is the cause of the rest.</summary>
    private static (int ExitCode, ErrorEntry? Error) Judge(ApplyResult result)
    {
        GpuApplyResult? worst = result.Gpus.FirstOrDefault(g => g.Outcome == ApplyOutcome.NotRestored)
            ?? result.Gpus.FirstOrDefault(g => g.Refusal is not null || g.Error is not null and not OperationCanceledException)
            ?? result.Gpus.FirstOrDefault(g => !g.IsSuccess);
        if (worst is null)
            return result.AfterwardsError is { } afterwards ? (ExitCodes.For(afterwards), ErrorEntry.From(afterwards)) : (ExitCodes.Success, null);
        int code = worst.Outcome == ApplyOutcome.NotRestored ? ExitCodes.NotRestored
            : worst.Refusal is { } refusal ? ExitCodes.For(refusal)
            : ExitCodes.For(worst.Error!);
        NvmlException? native = worst.Error as NvmlException;
        return (code, new ErrorEntry(
            native is null ? code : (int)native.Code, native?.Code.ToString() ?? worst.Outcome.ToString(), native?.Function, $"GPU {worst.Gpu.Index}: {worst.Message}"));
    }
}
