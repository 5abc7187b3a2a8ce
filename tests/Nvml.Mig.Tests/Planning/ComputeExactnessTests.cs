using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>Compute instances against brute force: inside one GPU instance, and shared out over several.</summary>
public class ComputeExactnessTests
{
    private static readonly int Cases = LongTests.Wanted ? 3_000 : 200;

    public static TheoryData<string> Models => new(SimulatedGeometries.Models);

    [Theory]
    [MemberData(nameof(Models))]
    public void The_fewest_compute_instances_are_destroyed(string model)
    {
        GpuGeometry geometry = SimulatedGeometries.Of(model);
        Random random = new(13);
        int possible = 0;
        foreach (ProfileGeometry profile in geometry.Profiles.Where(p => p.Profile.SliceCount > 1))
        {
            List<Inside[]> contents = AllContents(profile);
            for (int i = 0; i < Cases; i++)
            {
                Inside[] there = contents[random.Next(contents.Count)];
                Inside[] asked = contents[random.Next(contents.Count)];
                bool[] inUse = [.. there.Select(_ => random.Next(4) == 0)];
                GpuSnapshot state = StateWith(geometry, profile, there, inUse);
                LayoutSpec spec = new(
                    new InstanceSpec($"{profile.Profile.Id}")
                    {
                        ComputeInstances = [.. asked.Select(w => new ComputeInstanceSpec($"{w.Profile.Id}"))],
                    });

                int? fewest = contents
                    .Where(c => Ids(c).SequenceEqual(Ids(asked)) && there.Where((_, j) => inUse[j]).All(c.Contains))
                    .Select(c => (int?)there.Count(t => !c.Contains(t)))
                    .Min();
                bool found = Planner.TryPlan(state, spec, out GpuPlan? plan, out _);

                (found ? plan!.DestroyedCount : (int?)null).Should().Be(fewest, $"{state} -> {spec}, in use {string.Join(',', inUse)}");
                possible += found ? 1 : 0;
                if (!found)
                    continue;
                plan!.Kept.Should().Equal(state.Instances);
                GpuInstanceSnapshot after = plan.GetResult().Instances.Single();
                after.ComputeInstances.Select(c => c.Profile!.Id).Order().Should().Equal(Ids(asked));
                state.Instances[0].ComputeInstances.Where(c => c.IsInUse).Should().BeSubsetOf(after.ComputeInstances);
            }
        }

        possible.Should().BeGreaterThan(Cases / 4);
    }

    /// <summary>
    /// Two halves with whatever inside, and a number of compute instances that share them: all ways to have that are compared.
    /// </summary>
    [Theory]
    [InlineData("A100-SXM4-40GB", "3g.20gb")]
    [InlineData("H100-SXM5-80GB", "3g.40gb")]
    [InlineData("RTX-PRO-6000-Server", "2g.48gb")]
    public void Shared_compute_instances_cost_the_fewest_others(string model, string name)
    {
        GpuGeometry geometry = SimulatedGeometries.Of(model);
        ProfileGeometry profile = geometry.GetProfile(name);
        Inside[][] contents = [.. AllContents(profile)];
        Random random = new(17);
        for (int i = 0; i < Cases; i++)
        {
            Inside[][] there = [contents[random.Next(contents.Length)], contents[random.Next(contents.Length)]];
            GpuSnapshot state = GpuSnapshot.Of(geometry, there.Select((inside, n) =>
                StateWith(geometry, profile, inside, new bool[inside.Length]).Instances[0] with { Id = n + 1, Placement = profile.Placements[n] }));
            int small = random.Next(0, 5);
            int medium = random.Next(0, 2);
            if (small + medium == 0)
                continue;
            int one = profile.ComputeProfiles!.Where(c => c.Profile.SliceCount == 1).Min(c => c.Profile.Id);
            int two = profile.ComputeProfiles!.Where(c => c.Profile.SliceCount == 2).Min(c => c.Profile.Id);
            int[] wanted = [.. Enumerable.Repeat(one, small), .. Enumerable.Repeat(two, medium)];
            LayoutSpec spec = LayoutSpec.Parse(
                string.Join(
                    ',',
                    new[] { small > 0 ? $"1c.{name}*{small}" : "", medium > 0 ? $"2c.{name}*{medium}" : "" }.Where(t => t.Length > 0)));

            // One GPU instance if that holds them, else two; empty ones do not count.
            int? inOne = contents.Where(c => Ids(c).SequenceEqual(wanted.Order()))
                .SelectMany(c => new[] { Destroyed(there[0], c) + 1 + there[1].Length, Destroyed(there[1], c) + 1 + there[0].Length })
                .Select(n => (int?)n).Min();
            int? fewest = inOne
                ?? contents.SelectMany(
                    a => contents.Where(b => a.Length > 0 && b.Length > 0 && Ids([.. a, .. b]).SequenceEqual(wanted.Order()))
                .Select(b => (int?)(Destroyed(there[0], a) + Destroyed(there[1], b)))).Min();
            bool found = Planner.TryPlan(state, spec, out GpuPlan? plan, out _);

            (found ? plan!.DestroyedCount : (int?)null).Should().Be(fewest, $"{state} -> {spec}");
        }

        static int Destroyed(Inside[] there, Inside[] after) => there.Count(t => !after.Contains(t));
    }

    private static IEnumerable<int> Ids(IEnumerable<Inside> content) => content.Select(c => c.Profile.Id).Order();

    private static GpuSnapshot StateWith(GpuGeometry geometry, ProfileGeometry profile, Inside[] inside, bool[] inUse) =>
        GpuSnapshot.Of(geometry, [new GpuInstanceSnapshot(profile.Profile, profile.Placements[0])
        {
            Id = 1,
            ComputeInstances = [.. inside.Select((c, i) => new ComputeInstanceSnapshot(c.Profile, c.Place) { Id = i, IsInUse = inUse[i] })],
        }]);

    private static List<Inside[]> AllContents(ProfileGeometry profile)
    {
        Inside[] spots = [.. profile.ComputeProfiles!.SelectMany(c => c.Placements.Select(p => new Inside(c.Profile, p)))];
        List<Inside[]> all = [];
        Extend(0, []);
        return all;

        void Extend(int next, List<Inside> chosen)
        {
            if (next == spots.Length)
            {
                all.Add([.. chosen]);
                return;
            }

            Extend(next + 1, chosen);
            if (chosen.Exists(c => c.Place.Overlaps(spots[next].Place))
                || chosen.Count(c => c.Profile == spots[next].Profile) == spots[next].Profile.MaxInstances)
                return;
            chosen.Add(spots[next]);
            Extend(next + 1, chosen);
            chosen.RemoveAt(chosen.Count - 1);
        }
    }

    private sealed record Inside(ComputeInstanceProfile Profile, Placement Place);
}
