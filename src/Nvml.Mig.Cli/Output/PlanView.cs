using System.Globalization;
using Nvml.Mig.Planning;
using Spectre.Console;

namespace Nvml.Mig.Cli.Output;

/// <summary>A plan for people: the GPU before and after, and the steps; or what would help.</summary>
internal static class PlanView
{
    public static void Show(IAnsiConsole console, Planned planned, bool enablesMig = false)
    {
        console.WriteLine(planned.Heading);
        if (planned is { Mode.Current: false, Plan.IsEmpty: false })
        {
            console.WriteLine(enablesMig
                ? "MIG mode is disabled, and enabled first."
                : string.Create(CultureInfo.InvariantCulture, $"MIG mode is disabled: 'nvmig enable -i {planned.Gpu?.Index}' comes before these steps; 'nvmig apply' does both."));
        }

        if (planned.Before.Instances.Count > 0)
            Draw(console, "Before:", planned.Before);
        if (planned.Plan is { } plan)
            ShowPlan(console, plan);
        else if (planned.Refusal is { } refusal)
            ShowHelp(console, refusal);
        console.WriteLine();
    }

    private static void ShowPlan(IAnsiConsole console, GpuPlan plan)
    {
        if (plan.IsEmpty)
        {
            console.WriteLine("Nothing to do: it is so already.");
            return;
        }

        Draw(console, "After:", plan.GetResult());
        Table table = Tables.Create(console, ">Step", "Do", "Why");
        for (int i = 0; i < plan.Steps.Count; i++)
            table.AddRow((i + 1).ToString(CultureInfo.InvariantCulture), Markup.Escape(plan.Steps[i].ToString()), Markup.Escape(plan.GetReason(plan.Steps[i])));
        Tables.Print(console, table);
        console.WriteLine($"{Count(plan.Kept.Count, "GPU instance stays", "GPU instances stay")}, {Count(plan.DestroyedCount, "instance is destroyed", "instances are destroyed")}.");
        if (!plan.IsVerified)
            console.WriteLine("Not certain: NVML shows only inside a GPU instance which compute instances it can have. That there are enough compute slices is certain.");
    }

    /// <summary>What would help. Why there is no plan was said on standard error.</summary>
    private static void ShowHelp(IAnsiConsole console, PlanRefusal refusal)
    {
        console.WriteLine("There is no plan.");
        foreach (BlockedPlacement blocked in refusal.Blocked)
            console.WriteLine($"  {blocked.Profile} at {blocked.Placement} is blocked by {string.Join(" and ", blocked.By)}.");
        if (refusal.Removal is { } removal)
            console.WriteLine($"It would be possible without {string.Join(" and ", removal)}.");
        if (refusal.Nearest.Count > 0)
            console.WriteLine($"Possible as things stand: {string.Join("   or   ", refusal.Nearest)}");
    }

    private static void Draw(IAnsiConsole console, string title, GpuSnapshot state)
    {
        console.WriteLine(title);
        console.Write(new Text(Picture.Draw(state.Geometry.MemorySliceCount, Planned.Entries(state).Select(PictureBox.From), console.Profile.Width)));
    }

    private static string Count(int count, string one, string many) => $"{count} {(count == 1 ? one : many)}";
}
