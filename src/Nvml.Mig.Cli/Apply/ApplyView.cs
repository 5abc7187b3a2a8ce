using System.Globalization;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Cli.Plan;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Apply;

/// <summary>The result of an apply, for people.</summary>
internal static class ApplyView
{
    // "done" is what an outcome of success is called: applied, or rolled back.
    public static void Show(ApplyResult result, bool dryRun, string done)
    {
        foreach (GpuApplyResult gpu in result.Gpus)
        {
            if (dryRun || gpu.Refusal is not null)
            {
                ShowPlan(gpu, done);
                foreach (string left in gpu.LeftAlone)
                    Terminal.WriteLine($"GPU {gpu.Gpu.Index}: {left}");
                continue;
            }

            string outcome = gpu.Outcome == ApplyOutcome.Applied
                ? string.Create(CultureInfo.InvariantCulture, $"{done} in {gpu.Steps.Count(s => s.Outcome == ApplyStepOutcome.Done)} steps")
                : Name(gpu.Outcome);
            Terminal.WriteLine($"GPU {gpu.Gpu.Index}: {outcome}.");
            foreach (string left in gpu.LeftAlone)
                Terminal.WriteLine($"GPU {gpu.Gpu.Index}: {left}");
            if (gpu.Outcome is ApplyOutcome.RolledBack or ApplyOutcome.NotRestored)
            {
                ShowSteps("Steps", gpu.Steps);
                if (gpu.RollbackSteps.Count > 0)
                    ShowSteps("Steps back", gpu.RollbackSteps);
            }
        }

        if (result.Gpus.Any(g => g.Steps.Any(s => s.Attempts > 0)))
            LayoutView.ShowReadable(result.Gpus.Select(ToLayout).OfType<Func<Layout>>());
    }

    /// <summary>The GPU as the apply has read it; null if it could not, or does not know what it left.</summary>
    private static Func<Layout>? ToLayout(GpuApplyResult gpu) =>
        (gpu.After ?? (gpu.Outcome == ApplyOutcome.NotRestored ? null : gpu.Before)) is { } snapshot
            ? () => Layout.From(gpu.Gpu, snapshot)
            : null;

    public static void ShowServices(ServiceReport services)
    {
        if (services.Stopped.Count > 0)
            Terminal.WriteLine($"Stopped: {string.Join(", ", services.Stopped)}.");
        if (services.Started.Count > 0)
            Terminal.WriteLine($"Started again: {string.Join(", ", services.Started)}.");
        if (services.StillStopped.Count > 0)
            Terminal.WriteLine($"Not running, although they ran before: {string.Join(", ", services.StillStopped)}. The next apply or "
                + "rollback tries again.");
    }

    public static string Name(ApplyOutcome outcome) => outcome switch
    {
        ApplyOutcome.Unchanged => "unchanged, already as requested",
        ApplyOutcome.Applied => "applied",
        ApplyOutcome.Planned => "possible",
        ApplyOutcome.Refused => "refused, nothing was changed",
        ApplyOutcome.Pending => "MIG mode left pending, nothing else was changed",
        ApplyOutcome.NotTried => "not tried, nothing was changed",
        ApplyOutcome.RolledBack => "rolled back, as it was before",
        _ => "failed, and not as it was before",
    };

    private static void ShowPlan(GpuApplyResult gpu, string done) => PlanView.Show(PlannedGpu.From(
        gpu, new LayoutSpec(), done == ApplyRun.Applied ? PlanCommand.BegunBefore : "it was so before"));

    private static void ShowSteps(string title, IReadOnlyList<ApplyStepResult> steps)
    {
        TextTable table = new(">Step", title, "Outcome", "Error");
        for (int i = 0; i < steps.Count; i++)
        {
            string error = steps[i].Error switch { null => "", NvmlException e => $"{e.Code} ({(int)e.Code})", { } e => e.GetType().Name };
            table.Add((i + 1).ToString(CultureInfo.InvariantCulture), steps[i].Step.ToString(), steps[i].Outcome.ToString(), error);
        }

        Terminal.Write(table);
    }
}
