namespace Nvml.Mig.Layouts;

/// <summary>
/// The steps from what stands on a GPU to a layout in which every place is known: back to what was recorded, or on to what was planned.
/// Nothing is searched for; what could be chosen was chosen before.
/// </summary>
internal static class LayoutSteps
{
    /// <summary>The steps.</summary>
    /// <param name="now">What stands there.</param>
    /// <param name="goal">What is to stand there.</param>
    /// <param name="own">
    /// What an apply made, or was to destroy: of what is there and not in the goal, this and nothing else is destroyed.
    /// </param>
    /// <param name="blocked">What cannot be created, since something stands in its place that is not ours, each as a sentence.</param>
    public static List<ApplyStep> Between(GpuLayout now, GpuLayout goal, IReadOnlyList<GpuInstanceLayout> own, out IReadOnlyList<string> blocked)
    {
        List<ApplyStep> destroy = [];
        List<ApplyStep> create = [];
        List<string> inTheWay = [];
        List<GpuInstanceLayout> stay = [];
        foreach (GpuInstanceLayout there in now.Instances)
        {
            GpuInstanceLayout[] ours = [.. own.Where(there.IsAt)];
            GpuInstanceLayout? wanted = goal.Instances.FirstOrDefault(there.IsAt);
            IReadOnlyList<ComputeInstanceLayout> unwanted = GpuLayout.Match(there.ComputeInstances, wanted?.ComputeInstances ?? []).Extra;
            ComputeInstanceLayout[] destroyed = [.. unwanted.Where(c => ours.SelectMany(o => o.ComputeInstances).Any(o => o.Describes(c)))];
            destroy.AddRange(destroyed.Select(c => new ApplyStep(ApplyAction.DestroyComputeInstance, there, c)));
            if (wanted is null && ours.Length > 0 && destroyed.Length == there.ComputeInstances.Count)
                destroy.Add(new ApplyStep(ApplyAction.DestroyGpuInstance, there));
            else
                stay.Add(there);
        }

        foreach (GpuInstanceLayout wanted in goal.Instances)
        {
            GpuInstanceLayout? there = stay.Find(wanted.IsAt);
            if (there is null && stay.FindAll(s => s.Placement.Overlaps(wanted.Placement)) is { Count: > 0 } others)
            {
                inTheWay.Add($"{wanted} has no place: {string.Join(" and ", others)} is there, which this apply did not make.");
                continue;
            }

            if (there is null)
                create.Add(new ApplyStep(ApplyAction.CreateGpuInstance, wanted));
            // By id: the driver gives the lowest that is free.
            create.AddRange(GpuLayout.Match(there?.ComputeInstances ?? [], wanted.ComputeInstances).Missing
                .OrderBy(c => c.Id ?? int.MaxValue)
                .Select(c => new ApplyStep(ApplyAction.CreateComputeInstance, wanted, c)));
        }

        blocked = inTheWay;
        // A mode that only waits for a reset is set as it waits; the other way round, what stands there needs the mode it is in.
        bool mode = now.Mode.Current == goal.Mode.Current ? goal.Mode.Pending : goal.Mode.Current;
        return now.Mode == goal.Mode ? [.. destroy, .. create] : [.. destroy, ApplyStep.SetMode(mode), .. create];
    }
}
