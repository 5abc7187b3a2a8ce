using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Plan;

/// <summary>Places instances on any GPU of a machine. Each GPU that gets one has a plan of its own.</summary>
internal static class AnywherePlan
{
    /// <summary>Places instances, and plans the GPUs that get some.</summary>
    /// <param name="read">The GPUs as read, each with the steps that make it ready for instances.</param>
    /// <param name="layout">The instances.</param>
    public static PlannedGpu[] Place(IReadOnlyList<GpuApplyResult> read, LayoutSpec layout)
    {
        if (layout.Items.FirstOrDefault(i => i.Kind == InstanceSpecKind.Remove || i.Shared is not null || i.Start is not null) is { } odd)
            throw new UsageException($"'{odd}' cannot be placed anywhere: --anywhere takes GPU instances without a placement.");
        InstanceSpec[] wanted =
            [.. layout.Items.SelectMany(item => Enumerable.Repeat(item with { Count = 1, Kind = InstanceSpecKind.Add }, item.Count))];
        // A GPU that cannot be read is an error; one that cannot be made ready for instances is only not one of those to choose from.
        PlannedGpu[] gpus = [.. read.Select(gpu => PlannedGpu.From(gpu, layout, ""))];
        if (Array.TrueForAll(gpus, gpu => gpu.Error is not null))
            return gpus;
        PlannedGpu[] unread = [.. gpus.Where(gpu => gpu.Before is null)];
        foreach (PlannedGpu unready in gpus.Where(gpu => gpu is { Before: not null, Error: not null }))
            Terminal.WriteError($"{unready.Title}: {unready.Error!.Message}");
        gpus = [.. gpus.Where(gpu => gpu.Error is null)];
        foreach (string profile in wanted.Select(w => w.Profile).Distinct(StringComparer.Ordinal))
            RequireProfile(gpus.Select(gpu => gpu.Before!), profile);
        GpuPool pool = new(gpus.Select(gpu => new PoolGpu(gpu.Title, gpu.Before!, gpu.Name ?? "")));
        PoolRequest[] requests = [.. wanted.Select(w => new PoolRequest(w.Profile))];
        if (!pool.TryPlaceAll(requests, out IReadOnlyList<PoolPlacement>? places, out PoolRefusal? refusal))
            throw NoRoom(pool, requests, refusal);

        return [.. gpus
            .Select((gpu, i) => (Gpu: gpu, Items: wanted.Where((_, w) => places[w].Gpu == i)
                .Zip(places.Where(p => p.Gpu == i), (item, place) => item with { Start = place.Placement.Start }).ToArray()))
            .Where(g => g.Items.Length > 0)
            .Select(g => Plan(g.Gpu, new LayoutSpec(g.Items)))
            .Concat(unread)];
    }

    private static PlannedGpu Plan(PlannedGpu gpu, LayoutSpec layout)
    {
        Planner.TryPlan(gpu.Before!, layout, out GpuPlan? plan, out PlanRefusal? refusal);
        return gpu with
        {
            LayoutSpec = layout,
            Plan = plan,
            Refusal = refusal,
            Steps = [.. gpu.Steps, .. plan?.Steps ?? []],
            Goal = plan is null ? null : plan.GetResult() with { Mode = gpu.Goal!.Mode },
        };
    }

    private static NvmlInsufficientResourcesException NoRoom(GpuPool pool, PoolRequest[] requests, PoolRefusal refusal)
    {
        string left = string.Join(", ", refusal.Unplaced
            .GroupBy(r => r.Profile, StringComparer.Ordinal)
            .Select(g => $"{g.Count()} of {requests.Count(r => r.Profile == g.Key)} {g.Key}"));
        GpuPool empty = new(pool.Gpus.Select(gpu => gpu with { Snapshot = GpuSnapshot.Empty(gpu.Snapshot.Geometry) }));
        string otherwise = pool.OpenedCount > 0 && empty.TryPlaceAll(requests, out _, out _)
            ? " On the same GPUs without instances there is room for all."
            : "";
        return new NvmlInsufficientResourcesException(
            NvmlReturnCode.InsufficientResources,
            "nvmlDeviceCreateGpuInstance",
            $"There is no room: {refusal.Message} Placed one after the other, {left} {(refusal.Unplaced.Count == 1 ? "is" : "are")} left "
                + "over."
            + $"{otherwise} Nothing was changed.");
    }

    /// <summary>A profile that no GPU has is a mistake, not a lack of room.</summary>
    private static void RequireProfile(IEnumerable<GpuSnapshot> states, string profile)
    {
        PlanningException? unknown = null;
        foreach (GpuSnapshot state in states)
        {
            try
            {
                state.Geometry.GetProfile(profile);
                return;
            }
            catch (PlanningException e) when (e.Error == PlanningError.UnknownProfile)
            {
                unknown ??= e;
            }
        }

        if (unknown is not null)
            throw unknown;
    }
}
