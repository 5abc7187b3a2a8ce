using System.Globalization;
using Nvml.Mig.Applying;
using Nvml.Mig.Host;
using Spectre.Console;

namespace Nvml.Mig.Cli.Output;

/// <summary>What came of an apply, for people and as JSON.</summary>
internal static class ApplyView
{
    /// <summary>For people; what an apply that worked has done is <c>applied</c>, or after a rollback <c>taken back</c>.</summary>
    public static void Show(IAnsiConsole console, ApplyResult result, bool dryRun, string done)
    {
        foreach (GpuApplyResult gpu in result.Gpus)
        {
            if (dryRun || gpu.Refusal is not null)
            {
                ShowPlan(console, gpu);
                continue;
            }

            string outcome = gpu.Outcome == ApplyOutcome.Applied
                ? string.Create(CultureInfo.InvariantCulture, $"{done} in {gpu.Steps.Count(s => s.Outcome == ApplyStepOutcome.Done)} steps")
                : Name(gpu.Outcome);
            console.WriteLine($"GPU {gpu.Gpu.Index}: {outcome}.");
            foreach (string left in gpu.LeftAlone)
                console.WriteLine($"GPU {gpu.Gpu.Index}: {left}");
            if (gpu.Outcome is ApplyOutcome.RolledBack or ApplyOutcome.NotRestored)
            {
                ShowSteps(console, "Steps", gpu.Steps);
                if (gpu.RollbackSteps.Count > 0)
                    ShowSteps(console, "Steps back", gpu.RollbackSteps);
            }
        }

        if (result.Gpus.Any(g => g.Steps.Any(s => s.Attempts > 0)))
            LayoutView.ShowWhatCanBeRead(console, result.Gpus.Select(g => g.Gpu));
    }

    public static void ShowServices(IAnsiConsole console, ServiceReport services)
    {
        if (services.Stopped.Count > 0)
            console.WriteLine($"Stopped: {string.Join(", ", services.Stopped)}.");
        if (services.Started.Count > 0)
            console.WriteLine($"Started again: {string.Join(", ", services.Started)}.");
        if (services.StillStopped.Count > 0)
            console.WriteLine($"Not running although they ran before: {string.Join(", ", services.StillStopped)}. The next apply or rollback tries again.");
    }

    public static string Name(ApplyOutcome outcome) => outcome switch
    {
        ApplyOutcome.Unchanged => "as it should be already",
        ApplyOutcome.Applied => "applied",
        ApplyOutcome.Planned => "can be done",
        ApplyOutcome.Refused => "refused, nothing was changed",
        ApplyOutcome.NotTried => "not tried, nothing was changed",
        ApplyOutcome.RolledBack => "rolled back, as it was before",
        _ => "failed, and not as it was before",
    };

    public static ApplyEntry ToEntry(GpuApplyResult gpu) =>
        new(
            gpu.Gpu.Index,
            gpu.Gpu.Uuid,
            gpu.Outcome,
            gpu.Message,
            GpuStateEntry.From(gpu.Before),
            GpuStateEntry.From(gpu.After),
            [.. gpu.Steps.Select(ApplyStepEntry.From)],
            [.. gpu.RollbackSteps.Select(ApplyStepEntry.From)],
            gpu.Differences,
            gpu.LeftAlone,
            gpu.Refusal is null ? null : Planned.ToEntry(gpu.Refusal),
            ErrorOf(gpu),
            ErrorEntry.FromOptional(gpu.RollbackError));

    /// <summary>Why it is not as it was asked to be; null if it is.</summary>
    public static ErrorEntry? ErrorOf(GpuApplyResult gpu) => gpu switch
    {
        { Refusal: { } refusal } => ErrorEntry.From(refusal),
        { Outcome: ApplyOutcome.NotRestored, Error: not NvmlException } => new ErrorEntry(ExitCodes.NotRestored, nameof(ApplyOutcome.NotRestored), null, gpu.Message),
        _ => ErrorEntry.FromOptional(gpu.Error),
    };

    private static void ShowPlan(IAnsiConsole console, GpuApplyResult gpu)
    {
        if ((gpu.Plan?.Before ?? gpu.Refusal?.Snapshot) is { } state)
            PlanView.Show(console, new Planned($"GPU {gpu.Gpu.Index}", gpu.Gpu, gpu.Gpu.Name, gpu.Before?.Mode, state, new LayoutSpec(), gpu.Plan, gpu.Refusal), enablesMig: true);
        else if (gpu.Steps.Count > 0)
            ShowSteps(console, $"GPU {gpu.Gpu.Index}: what would be done", gpu.Steps);
        else
            console.WriteLine($"GPU {gpu.Gpu.Index}: {Name(gpu.Outcome)}.");
    }

    private static void ShowSteps(IAnsiConsole console, string title, IReadOnlyList<ApplyStepResult> steps)
    {
        Table table = Tables.Create(console, ">Step", title, "Outcome", "Error");
        for (int i = 0; i < steps.Count; i++)
        {
            string error = steps[i].Error switch { null => "", NvmlException e => $"{e.Code} ({(int)e.Code})", { } e => e.GetType().Name };
            table.AddRow(
                (i + 1).ToString(CultureInfo.InvariantCulture), Markup.Escape(steps[i].Step.ToString()), steps[i].Outcome.ToString(), Markup.Escape(error));
        }

        Tables.Print(console, table);
    }
}
