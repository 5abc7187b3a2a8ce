using System.Globalization;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>
/// The planner against brute force: it finds a plan exactly if there is one, and none that disturbs less or leaves more room.
/// </summary>
public class ExactnessTests
{
    private static readonly int Triples = LongTests.Wanted ? 200_000 : 20_000;

    public static TheoryData<string> Models => new(SimulatedGeometries.Models);

    [Theory]
    [MemberData(nameof(Models))]
    public void A_layout_can_be_planned_exactly_if_brute_force_finds_one(string model)
    {
        BruteForce force = new(SimulatedGeometries.Of(model));
        GpuSnapshot empty = GpuSnapshot.Empty(force.Geometry);
        int possible = 0;
        List<string> wrong = [];
        foreach (int[] counts in Multisets(force, 0, new int[force.Profiles.Count]))
        {
            LayoutSpec spec = SpecFor(force, counts);
            bool expected = force.LayoutsWith(counts).Count > 0;
            possible += expected ? 1 : 0;
            if (Planner.CanPlan(empty, spec) != expected)
                wrong.Add($"CanPlan of {spec} is not {expected}");
            if (expected
                && (!Planner.TryPlan(empty, spec, out GpuPlan? plan, out _) || !force.CountsOf(force.LayoutOf(plan.GetResult()))
                    .SequenceEqual(counts)))
                wrong.Add($"no plan that gives {spec}");
        }

        wrong.Should().BeEmpty();
        possible.Should().Be(force.Layouts.Select(layout => string.Join(',', force.CountsOf(layout))).Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_plan_destroys_the_fewest_and_leaves_the_most_room(string model)
    {
        BruteForce force = new(SimulatedGeometries.Of(model));
        Random random = new(5);
        List<string> wrong = [];
        for (int i = 0; i < Triples && wrong.Count < 10; i++)
        {
            ulong before = force.Layouts[random.Next(force.Layouts.Count)];
            GpuSnapshot state = RandomState(force, before, random);
            int[] counts = force.CountsOf(force.Layouts[random.Next(force.Layouts.Count)]);
            LayoutSpec spec = SpecFor(force, counts);
            int[] allowed = [.. state.Instances.Where(x => x.IsAnythingInUse && random.Next(4) == 0).Select(x => x.Id!.Value)];

            (int InUse, int All, long Room)? best = Best(force, state, allowed, counts);
            bool can = Planner.CanPlan(state, spec, new PlanOptions { AllowInUse = allowed });
            GpuPlan? plan = States.Search(state, spec, allowed);

            string problem = Compare(force, state, counts, allowed, best, plan);
            if (can != best is not null)
                problem += $" CanPlan says {can}.";
            if (problem.Length > 0)
                wrong.Add($"{state} -> {spec}, in use {string.Join(',', state.Instances.Where(x => x.IsAnythingInUse))}, allowed "
                    + $"{string.Join(',', allowed)}: {problem}");
        }

        wrong.Should().BeEmpty();
    }

    private static string Compare(
        BruteForce force, GpuSnapshot state, int[] counts, int[] allowed, (int InUse, int All, long Room)? best, GpuPlan? plan)
    {
        if (plan is null || best is null)
            return plan is null == best is null
                ? ""
                : $"the best is {best}, the plan {plan?.Steps.Count.ToString(CultureInfo.InvariantCulture) ?? "none"}.";
        GpuSnapshot result = plan.GetResult();
        ulong after = force.LayoutOf(result);
        if (!force.CountsOf(after).SequenceEqual(counts))
            return $"it gives {result}.";
        if ((plan.DestroyedInUseCount, plan.DestroyedCount, force.RoomIn(after)) != best)
            return $"the best is {best}, the plan {(plan.DestroyedInUseCount, plan.DestroyedCount, force.RoomIn(after))}.";
        foreach (GpuInstanceSnapshot kept in state.Instances.Where(x => x.IsAnythingInUse && !allowed.Contains(x.Id!.Value)))
        {
            if (!result.Instances.Contains(kept))
                return $"{kept} is in use and not as it was.";
        }

        return plan.Kept.Count + plan.Steps.Count(s => s.Kind == LayoutStepKind.CreateGpuInstance) == counts.Sum()
            ? ""
            : "kept and created are not what was asked.";
    }

    /// <summary>The fewest instances in use destroyed, then the fewest, then the most room: over all layouts with these counts.</summary>
    private static (int InUse, int All, long Room)? Best(BruteForce force, GpuSnapshot state, int[] allowed, int[] counts)
    {
        (int InUse, int All, long Room)? best = null;
        foreach (ulong layout in force.LayoutsWith(counts))
        {
            int inUse = 0;
            int all = 0;
            bool forbidden = false;
            foreach (GpuInstanceSnapshot there in state.Instances)
            {
                if (BruteForce.Has(layout, force.SpotOf(there)))
                    continue;
                forbidden |= there.IsAnythingInUse && !allowed.Contains(there.Id!.Value);
                inUse += there.IsAnythingInUse ? 2 : 0;
                all += 1 + there.ComputeInstances.Count;
            }

            if (forbidden || (best is { } b && (inUse, all).CompareTo((b.InUse, b.All)) > 0))
                continue;
            (int, int, long) value = (inUse, all, force.RoomIn(layout));
            if (best is null || (inUse, all).CompareTo((best.Value.InUse, best.Value.All)) < 0 || value.Item3 > best.Value.Room)
                best = value;
        }

        return best;
    }

    /// <summary>Each instance with the compute instance that takes the whole, or with none; of the former some are in use.</summary>
    private static GpuSnapshot RandomState(BruteForce force, ulong layout, Random random)
    {
        GpuGeometry geometry = force.Geometry;
        int id = 0;
        return GpuSnapshot.Of(geometry, force.SpotsOf(layout).Select(spot =>
        {
            ComputeProfileGeometry whole = geometry.Profiles.Single(p => p.Profile == spot.Profile).ComputeProfiles!
                .OrderBy(c => c.Profile.SliceCount).ThenBy(c => c.Profile.MultiprocessorCount).Last();
            return new GpuInstanceSnapshot(spot.Profile, spot.Place)
            {
                Id = id++,
                ComputeInstances = random.Next(4) == 0
                    ? []
                    : [new ComputeInstanceSnapshot(whole.Profile, whole.Placements[0])
                    {
                        Id = 0,
                        MigUuid = $"MIG-{id}",
                        IsInUse = random.Next(3) == 0,
                    }],
            };
        }));
    }

    private static LayoutSpec SpecFor(BruteForce force, int[] counts) =>
        new(
            counts.Select((count, kind) => (count, kind)).Where(c => c.count > 0)
                .Select(c => new InstanceSpec(force.Profiles[c.kind].Name) { Count = c.count }));

    private static IEnumerable<int[]> Multisets(BruteForce force, int kind, int[] counts)
    {
        if (kind == counts.Length)
        {
            yield return counts;
            yield break;
        }

        for (counts[kind] = 0; counts[kind] <= force.Profiles[kind].MaxInstances; counts[kind]++)
        {
            foreach (int[] more in Multisets(force, kind + 1, counts))
                yield return more;
        }

        counts[kind] = 0;
    }
}
