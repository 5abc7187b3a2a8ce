using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Apply;

/// <summary>Runs an apply or a rollback with progress and interruption, and reports what came of it.</summary>
internal static class ApplyRun
{
    // "done" is what an outcome of success is called.
    public static int Run(
        ParseResult parsed,
        Machine machine,
        string done,
        Func<ApplyOptions, IProgress<ApplyProgress>?, CancellationToken, Task<ApplyResult>> apply)
    {
        ApplyOptions options = ApplyArguments.Read(parsed, machine);
        using Interruption interruption = new();
        ApplyResult result = ApplyProgressView.Run(
            machine.Json, progress => apply(options, progress, interruption.Token).GetAwaiter().GetResult());
        return Report(machine, result, options.DryRun, done);
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
            ?? result.Gpus.FirstOrDefault(g => !g.IsSuccess);
        if (worst is null && result.Error is { } beside)
            return (ExitCodes.For(beside), ErrorEntry.From(beside));
        if (worst is null && result.Services is { StillStopped.Count: > 0 } services)
        {
            const NvmlReturnCode code = NvmlReturnCode.OperatingSystem;
            string message = $"Services that ran before do not run again: {string.Join(", ", services.StillStopped)}.";
            return (ExitCodes.For(code), new ErrorEntry((int)code, code.ToString(), null, message));
        }

        if (worst is null)
            return (ExitCodes.Success, null);
        int exitCode = worst.Outcome == ApplyOutcome.NotRestored ? ExitCodes.NotRestored
            : worst.Refusal is { } refusal ? ExitCodes.For(refusal)
            : ExitCodes.For(worst.Error!);
        return (exitCode, ApplyEntry.ErrorOf(worst)! with { Message = $"GPU {worst.Gpu.Index}: {worst.Message}" });
    }

    private static int Report(Machine machine, ApplyResult result, bool dryRun, string done)
    {
        if (result.Gpus.Count == 0)
            throw result.Error ?? new NvmlNotFoundException(NvmlReturnCode.NotFound, "", "The journal has nothing to roll back.");
        WriteErrors(result);
        (int exitCode, ErrorEntry? error) = Judge(result);
        if (machine.Json)
        {
            Documents.Print(new ApplyDocument([.. result.Gpus.Select(ApplyEntry.From)], result.Services, error));
            return exitCode;
        }

        if (result.Services is { } services)
            ApplyView.ShowServices(services);
        ApplyView.Show(result, dryRun, done);
        return exitCode;
    }
}
