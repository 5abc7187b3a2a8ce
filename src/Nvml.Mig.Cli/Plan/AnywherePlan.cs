using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Plan;

/// <summary>Places instances on any GPU of a machine. Each GPU that gets one has a plan of its own.</summary>
internal static class AnywherePlan
{
    public static PlannedGpu[] Place(IReadOnlyList<GpuDevice> gpus, IReadOnlyList<GpuSnapshot> states, LayoutSpec layout)
    {
        if (layout.Items.FirstOrDefault(i => i.Kind == InstanceSpecKind.Remove || i.Shared is not null || i.Start is not null) is { } odd)
            throw new UsageException($"'{odd}' cannot be placed anywhere: --anywhere takes GPU instances without a placement.");
        InstanceSpec[] wanted =
            [.. layout.Items.SelectMany(item => Enumerable.Repeat(item with { Count = 1, Kind = InstanceSpecKind.Add }, item.Count))];
        foreach (string profile in wanted.Select(w => w.Profile).Distinct(StringComparer.Ordinal))
            RequireProfile(states, profile);
        GpuPool pool = new(gpus.Select((gpu, i) => new PoolGpu(gpu.Uuid, states[i], gpu.Name)));
        PoolRequest[] requests = [.. wanted.Select(w => new PoolRequest(w.Profile))];
        if (!pool.TryPlaceAll(requests, out IReadOnlyList<PoolPlacement>? places, out PoolRefusal? refusal))
            throw NoRoom(pool, requests, refusal);

        return [.. gpus
            .Select((gpu, i) => (Gpu: gpu, State: states[i], Items: wanted.Where((_, w) => places[w].Gpu == i)
                .Zip(places.Where(p => p.Gpu == i), (item, place) => item with { Start = place.Placement.Start }).ToArray()))
            .Where(g => g.Items.Length > 0)
            .Select(g => PlannedGpu.On(g.Gpu, g.State, new LayoutSpec(g.Items), []))];
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
    private static void RequireProfile(IReadOnlyList<GpuSnapshot> states, string profile)
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
