using System.Globalization;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Plan;

/// <summary>A plan for people: the GPU before and after, and the steps; or what would help.</summary>
internal static class PlanView
{
    public static void Show(PlannedGpu planned)
    {
        Terminal.WriteLine(planned.Heading);
        foreach (LayoutStep step in planned.Steps.Where(step => step.IsModeChange))
            Terminal.WriteLine(Describe(step, planned.TakesReboot));
        if (planned.Before is { Instances.Count: > 0 } before)
            Draw("Before:", before);
        if (planned.Refusal is { } refusal)
            ShowHelp(refusal);
        else if (planned.Goal is null)
            Terminal.WriteLine(planned.Before is null ? "It cannot be read." : "There is no plan.");
        else if (planned.Steps.Count > 0)
            ShowPlan(planned, planned.Goal);
        else if (planned.Error is null)
            Terminal.WriteLine(NothingToDo(planned));
        if (planned is { Error: not null, Goal: not null })
            Terminal.WriteLine("It cannot be done now.");
        Terminal.WriteLine();
    }

    public static string Describe(LayoutStep modeChange, bool takesReboot) =>
        (modeChange.Kind == LayoutStepKind.EnableMig
            ? "MIG mode is disabled, and enabled first."
            : "MIG mode is enabled, and disabled last.")
        + (takesReboot ? " That takes a reboot, or a reset from outside." : "");

    public static string NothingToDo(PlannedGpu planned) => planned.TakesReboot
        ? "Nothing to do before a reboot, or a reset from outside: the MIG mode waits for that."
        : "Nothing to do: already as requested.";

    private static void ShowPlan(PlannedGpu planned, GpuSnapshot after)
    {
        if (after.Mode.Current && planned.Steps.Any(step => !step.IsModeChange))
            Draw("After:", after);
        TextTable table = new(">Step", "Do", "Why");
        for (int i = 0; i < planned.Steps.Count; i++)
            table.Add((i + 1).ToString(CultureInfo.InvariantCulture), planned.Steps[i].ToString(), planned.GetReason(planned.Steps[i]));
        Terminal.Write(table);
        string kept = Count(planned.Before!.Instances.Count - planned.DestroyedIds.Count(), "GPU instance stays", "GPU instances stay");
        string destroyed = Count(planned.Steps.Count(step => step.IsDestroy), "instance is destroyed", "instances are destroyed");
        Terminal.WriteLine($"{kept}, {destroyed}.");
        if (planned.Plan is { IsVerified: false })
            Terminal.WriteLine(
                "Not certain: NVML reports the compute instance profiles of a GPU instance only once it exists. There are enough "
                    + "compute slices.");
    }

    /// <summary>What would help. The refusal itself is on standard error.</summary>
    private static void ShowHelp(PlanRefusal refusal)
    {
        Terminal.WriteLine("There is no plan.");
        foreach (BlockedPlacement blocked in refusal.Blocked)
            Terminal.WriteLine($"  {blocked.Profile} at {blocked.Placement} is blocked by {string.Join(" and ", blocked.By)}.");
        if (refusal.Removal is { } removal)
            Terminal.WriteLine($"It would be possible without {string.Join(" and ", removal)}.");
        if (refusal.Nearest.Count > 0)
            Terminal.WriteLine($"Possible now: {string.Join("   or   ", refusal.Nearest)}");
    }

    /// <summary>A rollback has not read how the GPU can be divided: there is nothing to draw then.</summary>
    private static void Draw(string title, GpuSnapshot state)
    {
        if (state.Geometry.MemorySliceCount == 0)
            return;
        Terminal.WriteLine(title);
        Terminal.WriteLines(
            Picture.Draw(state.Geometry.MemorySliceCount, PlannedGpu.Entries(state).Select(PictureBox.From), Terminal.Width));
    }

    private static string Count(int count, string one, string many) => $"{count} {(count == 1 ? one : many)}";
}
