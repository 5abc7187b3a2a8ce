namespace Nvml.Mig.Planning;

/// <summary>The way from the layout of a GPU to one in which every place is known.</summary>
/// <param name="Steps">The steps.</param>
/// <param name="Result">The GPU after them: the layout, and the instances of others that are left alone.</param>
/// <param name="Blocked">The instances of others that are in the way, each as a sentence.</param>
/// <param name="LeftAlone">The instances of others that are not in the way, each as a sentence.</param>
internal sealed record LayoutWay(
    IReadOnlyList<LayoutStep> Steps, GpuSnapshot Result, IReadOnlyList<string> Blocked, IReadOnlyList<string> LeftAlone);

/// <summary>
/// The steps from the layout of a GPU to one in which every place is known: back to the recorded one, or on to the planned one. There is
/// no search: the planner has chosen.
/// </summary>
internal static class LayoutSteps
{
    /// <summary>The steps.</summary>
    /// <param name="now">The GPU as it is.</param>
    /// <param name="goal">The GPU as it is to be.</param>
    /// <param name="own">
    /// The instances that an apply created, or was to destroy, as <see cref="Union"/> has them: of the instances outside the goal, these
    /// alone are destroyed, each once. Of compute instances that look alike, other clients may have created some.
    /// </param>
    public static LayoutWay Between(GpuSnapshot now, GpuSnapshot goal, IReadOnlyList<GpuInstanceSnapshot> own)
    {
        List<LayoutStep> destroy = [];
        List<LayoutStep> create = [];
        List<string> blocked = [];
        List<string> leftAlone = [];
        List<GpuInstanceSnapshot> stay = [];
        List<GpuInstanceSnapshot> result = [];
        foreach (GpuInstanceSnapshot there in now.Instances)
        {
            GpuInstanceSnapshot? ours = own.FirstOrDefault(there.IsAt);
            GpuInstanceSnapshot? wanted = goal.Instances.FirstOrDefault(there.IsAt);
            IReadOnlyList<ComputeInstanceSnapshot> unwanted = GpuSnapshot.Match(
                there.ComputeInstances, wanted?.ComputeInstances ?? []).Extra;
            ComputeInstanceSnapshot[] destroyed = [.. OursAmong(unwanted, ours)];
            ComputeInstanceSnapshot[] foreign = [.. unwanted.Except(destroyed)];
            destroy.AddRange(destroyed.Select(c => new LayoutStep(LayoutStepKind.DestroyComputeInstance, there, c)));
            if (wanted is null && ours is not null && foreign.Length == 0)
            {
                destroy.Add(new LayoutStep(LayoutStepKind.DestroyGpuInstance, there));
                continue;
            }

            stay.Add(there);
            leftAlone.AddRange(ours is null && wanted is null ? [$"{there} is there"] : foreign.Select(c => $"{c} of {there} is there"));
            result.Add((wanted ?? there) with { ComputeInstances = [.. wanted?.ComputeInstances ?? [], .. foreign] });
        }

        foreach (GpuInstanceSnapshot wanted in goal.Instances)
        {
            GpuInstanceSnapshot? there = stay.Find(wanted.IsAt);
            if (there is null && stay.FindAll(s => s.Placement.Overlaps(wanted.Placement)) is { Count: > 0 } others)
            {
                blocked.Add($"{wanted} has no place: {string.Join(" and ", others)} is there, which this apply did not make.");
                continue;
            }

            if (there is null)
            {
                create.Add(new LayoutStep(LayoutStepKind.CreateGpuInstance, wanted));
                result.Add(wanted);
            }

            create.AddRange(CreateInside(wanted, there?.ComputeInstances ?? []));
        }

        if (!goal.Mode.Current && result.Count > 0)
            blocked.Add($"MIG cannot be disabled: {string.Join(" and ", leftAlone)}, which this apply did not make.");
        // Under what stays, the mode stays: the driver refuses the change, and a reset would take it along.
        return new LayoutWay(
            [.. destroy, .. goal.Mode.Current || result.Count == 0 ? WithModes(now.Mode, goal.Mode, create) : create],
            now with { Mode = goal.Mode, Instances = result },
            blocked,
            [.. leftAlone.Select(what => $"{what}, which this apply did not make: it is left alone.")]);
    }

    /// <summary>The instances that steps create; of a GPU instance that exists, those that they create inside.</summary>
    public static List<GpuInstanceSnapshot> CreatedBy(IEnumerable<LayoutStep> steps)
    {
        List<GpuInstanceSnapshot> created = [];
        foreach (LayoutStep step in steps.Where(s => s.IsCreate))
        {
            int same = created.FindIndex(step.GpuInstance!.IsAt);
            if (same < 0)
            {
                same = created.Count;
                created.Add(step.GpuInstance with { ComputeInstances = [] });
            }

            if (step.ComputeInstance is { } inside)
                created[same] = created[same] with { ComputeInstances = [.. created[same].ComputeInstances, inside] };
        }

        return created;
    }

    /// <summary>Those of some instances that a GPU has, with those of their compute instances that it has.</summary>
    public static List<GpuInstanceSnapshot> Present(IReadOnlyList<GpuInstanceSnapshot> some, GpuSnapshot layout) =>
        [.. layout.Instances.Where(there => some.Any(there.IsAt)).Select(there =>
            there with { ComputeInstances = [.. OursAmong(there.ComputeInstances, some.First(there.IsAt))] })];

    /// <summary>All of both, each once: two applies can have been to make the same.</summary>
    public static List<GpuInstanceSnapshot> Union(IReadOnlyList<GpuInstanceSnapshot> some, IReadOnlyList<GpuInstanceSnapshot> others)
    {
        List<GpuInstanceSnapshot> all = [.. some];
        foreach (GpuInstanceSnapshot other in others)
        {
            int same = all.FindIndex(other.IsAt);
            if (same < 0)
                all.Add(other);
            else
                all[same] = all[same] with
                {
                    ComputeInstances = [
                        .. all[same].ComputeInstances, .. GpuSnapshot.Match(all[same].ComputeInstances, other.ComputeInstances).Missing],
                };
        }

        return all;
    }

    private static IEnumerable<ComputeInstanceSnapshot> OursAmong(IEnumerable<ComputeInstanceSnapshot> there, GpuInstanceSnapshot? ours)
    {
        List<ComputeInstanceSnapshot> claims = [.. ours?.ComputeInstances ?? []];
        foreach (ComputeInstanceSnapshot one in there)
        {
            int claim = claims.FindIndex(c => c.Describes(one) && (c.Id is null || c.Id == one.Id));
            if (claim < 0)
                continue;
            claims.RemoveAt(claim);
            yield return one;
        }
    }

    /// <summary>
    /// The steps for compute instances that are missing, by id: the driver gives the lowest that is free, and the UUID of a MIG device
    /// follows from it. An id that is to stay free is held by a compute instance of one slice meanwhile, if a slice is free. If none is,
    /// what comes after it gets another id, which comes out when all is compared.
    /// </summary>
    private static IEnumerable<LayoutStep> CreateInside(GpuInstanceSnapshot wanted, IReadOnlyList<ComputeInstanceSnapshot> there)
    {
        ComputeInstanceSnapshot[] missing = [
            .. GpuSnapshot.Match(there, wanted.ComputeInstances).Missing.OrderBy(c => c.Id ?? int.MaxValue)];
        HashSet<int> taken = [.. there.Select(c => c.Id!.Value)];
        List<Placement> places = [.. there.Concat(missing).Where(c => c.Placement is not null).Select(c => c.Placement!.Value)];
        List<ComputeInstanceSnapshot> fillers = [];
        foreach (ComputeInstanceSnapshot one in missing)
        {
            while (one.Id is { } id && one.Placement is not null && Lowest(n => !taken.Contains(n)) is var free && free < id)
            {
                Placement place = new(Lowest(n => !places.Exists(p => p.Overlaps(new Placement(n, 1)))), 1);
                if (place.End > wanted.Profile.SliceCount)
                    break;
                fillers.Add(new ComputeInstanceSnapshot(null, place) { Id = free, Name = $"1c.{wanted.Profile.Name}", SliceCount = 1 });
                places.Add(place);
                taken.Add(free);
                yield return new LayoutStep(LayoutStepKind.CreateComputeInstance, wanted, fillers[^1]) { HoldsId = true };
            }

            taken.Add(Lowest(n => !taken.Contains(n)));
            yield return new LayoutStep(LayoutStepKind.CreateComputeInstance, wanted, one);
        }

        foreach (ComputeInstanceSnapshot filler in fillers)
            yield return new LayoutStep(LayoutStepKind.DestroyComputeInstance, wanted, filler) { HoldsId = true };

        static int Lowest(Func<int, bool> isFree) => Enumerable.Range(0, int.MaxValue).First(isFree);
    }

    /// <summary>
    /// The mode between what goes and what comes. A mode that only waits for a reset is set as it waits; from the other mode it takes two
    /// steps, and what comes needs the first of them.
    /// </summary>
    private static List<LayoutStep> WithModes(MigMode now, MigMode goal, List<LayoutStep> create)
    {
        if (now == goal)
            return create;
        if (now.Current == goal.Current)
            return [LayoutStep.SetMode(goal.Pending, goal), .. create];
        LayoutStep current = LayoutStep.SetMode(goal.Current, new MigMode(goal.Current, goal.Current));
        return goal.Pending == goal.Current ? [current, .. create] : [current, .. create, LayoutStep.SetMode(goal.Pending, goal)];
    }
}
