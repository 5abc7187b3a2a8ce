using System.Globalization;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Plan;

/// <summary>A plan for people: the GPU before and after, and the steps; or what would help.</summary>
internal static class PlanView
{
    public static void Show(PlannedGpu planned, bool enablesMig = false)
    {
        Terminal.WriteLine(planned.Heading);
        if (planned is { Mode.Current: false, Plan.IsEmpty: false })
        {
            Terminal.WriteLine(enablesMig
                ? "MIG mode is disabled, and enabled first."
                : $"MIG mode is disabled: 'nvmig enable -i {planned.Gpu?.Index}' comes before these steps; 'nvmig apply' does both.");
        }

        if (planned.DisablesMig)
            Terminal.WriteLine("The layout disables MIG mode: 'nvmig apply' does that last.");
        if (planned.Before.Instances.Count > 0)
            Draw("Before:", planned.Before);
        if (planned is { DisablesMig: true, Plan.IsEmpty: true })
            Terminal.WriteLine("There are no instances to destroy.");
        else if (planned.Plan is { } plan)
            ShowPlan(plan);
        else if (planned.Refusal is { } refusal)
            ShowHelp(refusal);
        Terminal.WriteLine();
    }

    private static void ShowPlan(GpuPlan plan)
    {
        if (plan.IsEmpty)
        {
            Terminal.WriteLine("Nothing to do: already as requested.");
            return;
        }

        Draw("After:", plan.GetResult());
        TextTable table = new(">Step", "Do", "Why");
        for (int i = 0; i < plan.Steps.Count; i++)
            table.Add((i + 1).ToString(CultureInfo.InvariantCulture), plan.Steps[i].ToString(), plan.GetReason(plan.Steps[i]));
        Terminal.Write(table);
        string kept = Count(plan.Kept.Count, "GPU instance stays", "GPU instances stay");
        string destroyed = Count(plan.DestroyedCount, "instance is destroyed", "instances are destroyed");
        Terminal.WriteLine($"{kept}, {destroyed}.");
        if (!plan.IsVerified)
            Terminal.WriteLine(
                "Not certain: only inside a GPU instance NVML reports its compute instance profiles. There are enough compute slices.");
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

    private static void Draw(string title, GpuSnapshot state)
    {
        Terminal.WriteLine(title);
        Terminal.WriteLines(
            Picture.Draw(state.Geometry.MemorySliceCount, PlannedGpu.Entries(state).Select(PictureBox.From), Terminal.Width));
    }

    private static string Count(int count, string one, string many) => $"{count} {(count == 1 ? one : many)}";
}
