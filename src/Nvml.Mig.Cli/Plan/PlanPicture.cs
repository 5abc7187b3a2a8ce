using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Plan;

/// <summary>A plan as a drawing: the GPU before and after.</summary>
internal static class PlanPicture
{
    public static SvgGpu From(PlannedGpu planned)
    {
        List<SvgRow> rows = [];
        HashSet<int?> destroyed = [.. planned.Plan?.Destroyed.Select(i => i.Id) ?? []];
        HashSet<(int?, int?)> destroyedInside = [.. (planned.Plan?.Steps ?? [])
            .Where(s => s.Kind == LayoutStepKind.DestroyComputeInstance).Select(s => (s.GpuInstance!.Id, s.ComputeInstance!.Id))];
        if (planned.Before.Instances.Count > 0)
            rows.Add(new SvgRow("Before", planned.Before.Geometry, PlannedGpu.Entries(planned.Before), FateBefore));

        if (planned.Plan is { IsEmpty: false } plan)
        {
            GpuSnapshot after = plan.GetResult();
            rows.Add(new SvgRow("After", after.Geometry, [.. after.Instances.Select(AddUnplaced)], FateAfter));
        }

        string[] notes = planned switch
        {
            { Refusal: { } refusal } => [$"No plan: {refusal.Message}"],
            { Plan.IsEmpty: true } => ["Nothing to do: already as requested."],
            _ => [],
        };
        return new SvgGpu(planned.Heading, notes, rows);

        SvgFate FateBefore(GpuInstanceEntry instance, ComputeInstanceEntry? inside) =>
            destroyed.Contains(instance.Id) || (inside is not null && destroyedInside.Contains((instance.Id, inside.Id)))
                ? SvgFate.Goes
                : SvgFate.Stays;

        static SvgFate FateAfter(GpuInstanceEntry instance, ComputeInstanceEntry? inside) =>
            instance.Id is null || (inside is not null && inside.Id is null) ? SvgFate.Comes : SvgFate.Stays;
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
