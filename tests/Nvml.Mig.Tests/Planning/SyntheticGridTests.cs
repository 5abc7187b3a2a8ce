using System.Diagnostics;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>GPUs that nobody has built yet: random profiles on random grids, and one as large as the planner takes.</summary>
public class SyntheticGridTests
{
    [Fact]
    public void Plans_for_random_grids_are_the_best_that_brute_force_finds()
    {
        int feasible = 0;
        for (int seed = 0; seed < (LongTests.Wanted ? 3_000 : 150); seed++)
        {
            Random random = new(seed);
            GpuGeometry geometry = RandomGeometry(random);
            Spot[] spots = [
                .. geometry.Profiles.SelectMany(p => p.Placements.Select(place => (p.Profile, place)))
                .Select((s, i) => new Spot(i, s.Profile, s.place))];
            if (spots.Length > 24)
                continue;
            List<ulong> layouts = AllLayouts(spots);
            for (int i = 0; i < 20; i++)
            {
                ulong there = layouts[random.Next(layouts.Count)];
                GpuSnapshot state = GpuSnapshot.Of(
                    geometry,
                    spots.Where(s => BruteForce.Has(there, s))
                        .Select(s => new GpuInstanceSnapshot(s.Profile, s.Place) { Id = s.Index, IsInUse = random.Next(4) == 0 }));
                int[] asked = [.. Ids(layouts[random.Next(layouts.Count)])];
                ulong inUse = state.Instances.Where(x => x.IsInUse).Aggregate(0UL, (mask, x) => mask | 1UL << x.Id!.Value);

                (int, long)? best = layouts
                    .Where(layout => (layout & inUse) == inUse && Ids(layout).SequenceEqual(asked))
                    .Select(layout => ((int, long)?)(-System.Numerics.BitOperations.PopCount(there & ~layout), Room(layout)))
                    .Max();
                LayoutSpec spec = new(asked.Select(id => new InstanceSpec($"{id}") { ComputeInstances = [] }));
                bool possible = Planner.TryPlan(state, spec, out GpuPlan? plan, out _);
                Planner.CanPlan(state, spec).Should().Be(possible);
                (int, long)? found = plan is null
                    ? null
                    : (-plan.DestroyedCount, Room(
                        plan.GetResult().Instances.Aggregate(
                            0UL, (m, x) => m | 1UL << spots.Single(s => s.Profile == x.Profile && s.Place == x.Placement).Index)));
                found.Should().Be(best, $"seed {seed}: {state} -> {spec}");
                feasible += possible ? 1 : 0;
            }

            IEnumerable<int> Ids(ulong layout) => spots.Where(s => BruteForce.Has(layout, s)).Select(s => s.Profile.Id).Order();
            long Room(ulong layout) => spots
                .Where(
                    s =>
                        spots.Where(o => BruteForce.Has(layout, o))
                            .All(o => !o.Place.Overlaps(s.Place)) && Ids(layout).Count(id => id == s.Profile.Id) < s.Profile.MaxInstances)
                .Sum(s => (long)s.Place.Size * s.Place.Size);
        }

        feasible.Should().BeGreaterThan(500);
    }

    [Fact]
    public void A_grid_of_32_units_and_12_profiles_is_planned_at_once()
    {
        GpuGeometry geometry = new(Enumerable.Range(0, 12).Select(kind =>
        {
            int size = 1 << kind / 2;
            return Profile(kind, size, 32 / size, Enumerable.Range(0, 32 / size).Select(i => i * size));
        }));
        Random random = new(32);
        List<double> milliseconds = [];
        GpuSnapshot state = GpuSnapshot.Empty(geometry);
        for (int i = 0; i < 200; i++)
        {
            List<int> ids = [];
            for (int units = random.Next(16, 33); units > 0;)
            {
                int id = random.Next(2 * (1 + System.Numerics.BitOperations.Log2((uint)units)));
                ids.Add(id);
                units -= 1 << id / 2;
            }

            LayoutSpec spec = new(ids.Select(id => new InstanceSpec($"{id}") { ComputeInstances = [] }));
            Stopwatch watch = Stopwatch.StartNew();
            Planner.TryPlan(state, spec, out GpuPlan? plan, out _).Should().BeTrue("sizes that halve each other always fit");
            milliseconds.Add(watch.Elapsed.TotalMilliseconds);
            state = plan!.GetResult();
        }

        // The median, since the machine that tests run on may be busy with other things.
        milliseconds.Order().ElementAt(100).Should().BeLessThan(5);
    }

    /// <summary>Sizes and starts that have nothing to do with each other leave the most to search.</summary>
    [Fact]
    public void A_grid_of_32_units_with_odd_profiles_is_planned_at_once()
    {
        List<double> milliseconds = [];
        for (int seed = 0; seed < 100; seed++)
        {
            Random random = new(seed);
            GpuGeometry geometry = new(Enumerable.Range(0, 12).Select(kind =>
            {
                int size = random.Next(1, 9);
                return Profile(kind, size, 32, Enumerable.Range(0, 33 - size).Where(_ => random.Next(3) > 0));
            }));
            GpuSnapshot state = GpuSnapshot.Empty(geometry);
            for (int i = 0; i < 5; i++)
            {
                LayoutSpec spec = new(
                    Enumerable.Range(0, random.Next(3, 12)).Select(_ => new InstanceSpec($"{random.Next(12)}") { ComputeInstances = [] }));
                Stopwatch watch = Stopwatch.StartNew();
                GpuPlan? plan = States.Search(state, spec);
                milliseconds.Add(watch.Elapsed.TotalMilliseconds);
                state = plan?.GetResult() ?? state;
            }
        }

        milliseconds.Order().ElementAt(250).Should().BeLessThan(5);
        milliseconds.Order().ElementAt(475).Should().BeLessThan(50, "machines that test are busy");
    }

    [Fact]
    public void More_units_than_that_are_refused()
    {
        GpuGeometry large = new([Profile(0, 1, 40, Enumerable.Range(0, 40))]);

        FluentActions.Invoking(() => Planner.CanPlan(GpuSnapshot.Empty(large), LayoutSpec.Parse("0"))).Should()
            .Throw<PlanningException>().Which.Error.Should().Be(PlanningError.InvalidGeometry);
        new GpuGeometry([Profile(0, 3, 32, Enumerable.Range(0, 32).Select(i => i * 3))]).MemorySliceCount.Should()
            .Be(96, "32 units of 3 slices are not too many");
    }

    private static GpuGeometry RandomGeometry(Random random)
    {
        int units = random.Next(3, 13);
        return new GpuGeometry(Enumerable.Range(0, random.Next(2, 6)).Select(kind =>
        {
            int size = random.Next(1, Math.Min(5, units) + 1);
            int[] starts = [.. Enumerable.Range(0, units - size + 1).Where(_ => random.Next(2) == 0)];
            return Profile(kind, size, random.Next(1, 5), starts);
        }));
    }

    private static ProfileGeometry Profile(int id, int size, int limit, IEnumerable<int> starts) =>
        new(
            new GpuInstanceProfile
            {
                Number = id,
                Id = id,
                Name = $"{size}g.{size * 4}gb{(id % 2 == 0 ? "" : "+me")}",
                SliceCount = 0,
                MaxInstances = limit,
                MultiprocessorCount = size,
                MemoryMiB = size * 4096,
                CopyEngineCount = 0,
                DecoderCount = 0,
                EncoderCount = 0,
                JpegCount = 0,
                OfaCount = 0,
                SupportsP2P = false,
            },
            [.. starts.Select(start => new Placement(start, size))]);

    private static List<ulong> AllLayouts(Spot[] spots)
    {
        List<ulong> layouts = [];
        Extend(0, 0, []);
        return layouts;

        void Extend(int next, ulong layout, List<Spot> there)
        {
            if (next == spots.Length)
            {
                layouts.Add(layout);
                return;
            }

            Extend(next + 1, layout, there);
            if (there.Exists(other => other.Place.Overlaps(spots[next].Place))
                || there.Count(other => other.Profile == spots[next].Profile) == spots[next].Profile.MaxInstances)
                return;
            there.Add(spots[next]);
            Extend(next + 1, layout | 1UL << next, there);
            there.RemoveAt(there.Count - 1);
        }
    }
}
