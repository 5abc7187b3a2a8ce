using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Apply;

/// <summary>Runs an apply or a rollback with progress and interruption, and reports what came of it.</summary>
internal static class ApplyRun
{
    public const string Applied = "applied";
    public const string RolledBack = "rolled back";

    // "done" is what an outcome of success is called; "complete" adds to a result what the command knows beside it.
    public static int Run(
        ParseResult parsed,
        Machine machine,
        string done,
        Func<ApplyOptions, IProgress<ApplyProgress>?, CancellationToken, Task<ApplyResult>> apply,
        Func<ApplyResult, ApplyResult>? complete = null)
    {
        ApplyOptions options = ApplyArguments.Read(parsed, machine);
        using Interruption interruption = new(changes: !options.DryRun);
        // The result is shown before the journal is closed: whoever dies before it is shown, and repeats the change, completes it.
        TaskCompletionSource<ApplyResult> changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource shown = new(TaskCreationOptions.RunContinuationsAsynchronously);
        options = options with
        {
            Report = result =>
            {
                changed.SetResult(result);
                return shown.Task;
            },
        };
        Task<ApplyResult> running = ApplyProgressView.Run(machine.Json, progress =>
        {
            Task<ApplyResult> begun = apply(options, progress, interruption.Token);
            Task.WaitAny(begun, changed.Task);
            return begun;
        });
        ApplyResult first;
        try
        {
            first = (changed.Task.IsCompleted ? changed.Task : running).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException e)
        {
            throw new OperationCanceledException("Interrupted before the first change. Nothing was changed.", e, e.CancellationToken);
        }

        first = complete?.Invoke(first) ?? first;
        try
        {
            Show(machine, first, options.DryRun, done);
        }
        finally
        {
            shown.SetResult();
        }

        ApplyResult last = running.GetAwaiter().GetResult();
        if (last.Gpus.Count == 0 && first.Gpus.Count == 0)
            throw last.Error ?? new NvmlNotFoundException(NvmlReturnCode.NotFound, "", "The journal has nothing to roll back.");
        if (last.Error is { } since && since.Message != first.Error?.Message)
            Terminal.WriteError(since.Message);
        return Judge(first with { Error = last.Error }).ExitCode;
    }

    /// <summary>Success without a GPU to change, as with a layout that disables MIG on GPUs that cannot be divided.</summary>
    public static int ReportNothing(Machine machine)
    {
        if (machine.Json)
            Documents.Print(new ApplyDocument([], null, null));
        else
            Terminal.WriteLine("Nothing to do.");
        return ExitCodes.Success;
    }

    public static void WriteErrors(ApplyResult result)
    {
        foreach (GpuApplyResult gpu in result.Gpus.Where(g => !g.IsSuccess))
            Terminal.WriteError($"GPU {gpu.Gpu.Index}: {gpu.Message}");
        if (result.Error is { } beside)
            Terminal.WriteError(beside.Message);
        foreach (ServiceFailure failure in result.Services?.Failures ?? [])
            Terminal.WriteError(failure.Message);
    }

    /// <summary>The worst counts: first a GPU that was not restored, then the cause of the other failures.</summary>
    public static (int ExitCode, ErrorEntry? Error) Judge(ApplyResult result)
    {
        GpuApplyResult? worst = result.Gpus.FirstOrDefault(g => g.Outcome == ApplyOutcome.NotRestored)
            ?? result.Gpus.FirstOrDefault(g => g.Refusal is not null || g.Error is not null and not OperationCanceledException)
            ?? result.Gpus.FirstOrDefault(g => g is { IsSuccess: false, Outcome: not ApplyOutcome.Pending });
        if (worst is null && result.Error is { } beside)
            return (ExitCodes.For(beside), ErrorEntry.From(beside));
        if (worst is null && result.Services is { StillStopped.Count: > 0 } services)
        {
            const NvmlReturnCode code = NvmlReturnCode.OperatingSystem;
            string message = $"Services that ran before do not run again: {string.Join(", ", services.StillStopped)}.";
            return (ExitCodes.For(code), new ErrorEntry((int)code, code.ToString(), null, message));
        }

        // A mode that waits for a reboot was asked to be left so: any failure counts more.
        worst ??= result.Gpus.FirstOrDefault(g => g.Outcome == ApplyOutcome.Pending);
        if (worst is null)
            return (ExitCodes.Success, null);
        int exitCode = worst.Outcome == ApplyOutcome.NotRestored ? ExitCodes.NotRestored
            : worst.Outcome == ApplyOutcome.Pending ? ExitCodes.Pending
            : worst.Refusal is { } refusal ? ExitCodes.For(refusal)
            : ExitCodes.For(worst.Error!);
        return (exitCode, ApplyEntry.ErrorOf(worst)! with { Message = $"GPU {worst.Gpu.Index}: {worst.Message}" });
    }

    /// <summary>Shows the result. That it cannot be shown makes no change undone: the exit code is that of the change.</summary>
    private static void Show(Machine machine, ApplyResult result, bool dryRun, string done)
    {
        if (result.Gpus.Count == 0)
            return;
        WriteErrors(result);
        try
        {
            if (machine.Json)
            {
                Documents.Print(new ApplyDocument([.. result.Gpus.Select(ApplyEntry.From)], result.Services, Judge(result).Error));
                return;
            }

            if (result.Services is { } services)
                ApplyView.ShowServices(services);
            ApplyView.Show(result, dryRun, done);
        }
        catch (Exception e) when (!dryRun && e is (IOException or UnauthorizedAccessException))
        {
            Terminal.WriteError($"The result cannot be written: {e.Message}");
        }
        catch (NvmlException e)
        {
            Terminal.WriteError($"The result cannot be shown: {e.Message}");
        }
    }
}
