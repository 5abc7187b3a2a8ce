using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Plan;

/// <summary>A plan as a drawing: the GPU before and after.</summary>
internal static class PlanPicture
{
    public static SvgGpu From(PlannedGpu planned)
    {
        List<SvgRow> rows = [];
        HashSet<int?> destroyed = [.. planned.DestroyedIds];
        HashSet<(int?, int?)> destroyedInside = [.. planned.Steps
            .Where(s => s.Kind == LayoutStepKind.DestroyComputeInstance).Select(s => (s.GpuInstance!.Id, s.ComputeInstance!.Id))];
        if (planned.Before is { Instances.Count: > 0 } before)
            rows.Add(new SvgRow("Before", before.Geometry, PlannedGpu.Entries(before), FateBefore));
        if (planned is { Steps.Count: > 0, Goal: { Mode.Current: true } after })
            rows.Add(new SvgRow("After", after.Geometry, [.. after.Instances.Select(AddUnplaced)], FateAfter));

        return new SvgGpu(planned.Heading, [.. Notes(planned)], rows);

        SvgFate FateBefore(GpuInstanceEntry instance, ComputeInstanceEntry? inside) =>
            destroyed.Contains(instance.Id) || (inside is not null && destroyedInside.Contains((instance.Id, inside.Id)))
                ? SvgFate.Goes
                : SvgFate.Stays;

        static SvgFate FateAfter(GpuInstanceEntry instance, ComputeInstanceEntry? inside) =>
            instance.Id is null || (inside is not null && inside.Id is null) ? SvgFate.Comes : SvgFate.Stays;
    }

    private static IEnumerable<string> Notes(PlannedGpu planned)
    {
        foreach (LayoutStep step in planned.Steps.Where(step => step.IsModeChange))
            yield return PlanView.Describe(step, planned.TakesReboot);
        if (planned.Refusal is { } refusal)
            yield return $"No plan: {refusal.Message}";
        else if (planned.Error is { } error)
            yield return $"{(planned.Goal is null ? "No plan" : "Not now")}: {error.Message}";
        else if (planned.Steps.Count == 0)
            yield return PlanView.NothingToDo(planned);
    }

    /// <summary>
    /// A plan does not place the compute instances of a new GPU instance if NVML has not reported yet what it can hold: they are drawn side
    /// by side.
    /// </summary>
    private static GpuInstanceEntry AddUnplaced(GpuInstanceSnapshot instance)
    {
        GpuInstanceEntry entry = GpuInstanceEntry.From(instance);
        if (!instance.ComputeInstances.Any(c => c.Placement is null))
            return entry;
        List<ComputeInstanceEntry> inside = [];
        foreach (ComputeInstanceSnapshot one in instance.ComputeInstances)
        {
            PlacementEntry place = new(inside.Sum(c => c.Placement!.Size), one.SliceCount);
            inside.Add(new ComputeInstanceEntry(one.Id, $"{one.SliceCount}c", -1, place, one.MigUuid));
        }

        return entry with { ComputeInstances = inside };
    }
}
