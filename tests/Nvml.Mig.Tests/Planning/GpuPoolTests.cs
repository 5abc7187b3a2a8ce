using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

public class GpuPoolTests
{
    [Fact]
    public void Instances_go_to_opened_gpus_and_spare_large_holes()
    {
        GpuPool fleet = PoolOf("", "1g.5gb:0", "3g.20gb:0");

        string[] places = [.. Enumerable.Range(0, 4).Select(_ => Place(fleet, "1g.5gb"))];

        // GPU 1 has a free half that a 3g or 2g could use, GPU 2 too; three slices beside the 1g are of use to no 3g.
        places.Should().Equal("1 at 1:1", "1 at 2:1", "1 at 3:1", "2 at 6:1");
        Place(fleet, "3g.20gb").Should().Be("1 at 4:4");
        Place(fleet, "7g.40gb").Should().Be("0 at 0:8");
        Place(fleet, "3g.20gb").Should().Be("none");
        fleet.OpenedCount.Should().Be(3);
    }

    [Fact]
    public void A_list_is_placed_on_as_few_gpus_as_hold_it()
    {
        GpuPool fleet = PoolOf("", "", "", "");
        PoolRequest[] requests = [
            .. "1g.5gb*7,3g.20gb*2".Split(',').Select(InstanceSpec.Parse)
            .SelectMany(i => Enumerable.Repeat(new PoolRequest(i.Profile), i.Count))];

        fleet.TryPlaceAll(requests, out IReadOnlyList<PoolPlacement>? places, out PoolRefusal? refusal).Should().BeTrue();

        refusal.Should().BeNull();
        fleet.OpenedCount.Should().Be(2);
        places!.Select((p, i) => p.Profile.Name == requests[i].Profile).Should().OnlyContain(same => same);
        CheckPlacements(fleet, places!);
    }

    [Fact]
    public void A_list_that_does_not_fit_takes_nothing()
    {
        GpuPool fleet = PoolOf("1g.5gb:5", "3g.20gb:0");

        fleet.TryPlaceAll([new("3g.20gb"), new("3g.20gb"), new("4g.20gb")], out _, out PoolRefusal? refusal).Should().BeFalse();

        refusal!.Unplaced.Should().ContainSingle();
        refusal.IsProved.Should().BeTrue();
        refusal.Message.Should().Be("2 3g.20gb, 1 4g.20gb do not fit together on 2 GPUs beside the present instances.");
        fleet.TryPlaceAll([new("3g.20gb"), new("3g.20gb")], out _, out _).Should().BeTrue();
    }

    /// <summary>One 4g and two 3g on two GPUs: a 3g at the start of each leaves none for the 4g.</summary>
    [Fact]
    public void Another_arrangement_is_found_where_the_first_one_fails()
    {
        for (int seed = 0; seed < 300; seed++)
        {
            Random random = new(seed);
            BruteForce force = Force.Value;
            // Two GPUs, and what is missing to a full layout of each: that much always fits.
            ulong[] full = [.. Enumerable.Range(0, 2).Select(_ => force.Layouts[random.Next(force.Layouts.Count)])];
            ulong[] there = [.. full.Select(layout => layout & (ulong)random.NextInt64())];
            GpuPool fleet = PoolOf(
                [.. there.Select(layout => string.Join(',', force.SpotsOf(layout).Select(s => $"{s.Profile.Id}:{s.Place.Start}")))]);
            PoolRequest[] missing = [
                .. full.SelectMany((layout, i) => force.SpotsOf(layout & ~there[i])).Select(s => new PoolRequest(s.Profile.Name))];

            bool placed = fleet.TryPlaceAll(missing, out IReadOnlyList<PoolPlacement>? places, out _);

            placed.Should()
                .BeTrue($"seed {seed}: {string.Join(',', missing.AsEnumerable())} fit on "
                    + $"{string.Join(" | ", fleet.Gpus.Select(g => g.Snapshot))}");
            CheckPlacements(fleet, places!);
        }
    }

    /// <summary>Against every way to deal the instances out: whether there is room, and how many empty GPUs it takes.</summary>
    [Fact]
    public void A_list_is_placed_on_the_fewest_gpus()
    {
        int refused = 0;
        for (int seed = 0; seed < (LongTests.Wanted ? 5_000 : 150); seed++)
        {
            Random random = new(seed);
            BruteForce force = Force.Value;
            ulong[] there = [
                .. Enumerable.Range(0, 3)
                .Select(_ => random.Next(2) == 0 ? 0 : force.Layouts[random.Next(force.Layouts.Count)] & (ulong)random.NextInt64())];
            GpuPool fleet = PoolOf(
                [.. there.Select(layout => string.Join(',', force.SpotsOf(layout).Select(s => $"{s.Profile.Id}:{s.Place.Start}")))]);
            string[] profiles = [.. Enumerable.Range(0, 3).Select(_ => force.Profiles[random.Next(force.Profiles.Count)].Name)];
            string[] wanted = [.. Enumerable.Range(0, random.Next(2, 12)).Select(_ => profiles[random.Next(3)])];
            int before = fleet.OpenedCount;

            bool placed = fleet.TryPlaceAll(
                [.. wanted.Select(w => new PoolRequest(w))], out IReadOnlyList<PoolPlacement>? places, out PoolRefusal? refusal);

            int? fewest = FewestOpened(there, wanted);
            string what = $"seed {seed}: {string.Join(',', wanted)} on {string.Join(" | ", fleet.Gpus.Select(g => g.Snapshot))}";
            placed.Should().Be(fewest is not null, what);
            if (placed)
            {
                (fleet.OpenedCount - before).Should().Be(fewest, what);
                places!.Select(p => p.Profile.Name).Should().Equal(wanted);
                CheckPlacements(fleet, places!);
            }
            else
            {
                refusal!.IsProved.Should().BeTrue(what);
                refused++;
            }
        }

        refused.Should().BeGreaterThan(15);
    }

    /// <summary>
    /// Each 1g for itself would take a slice of the half in which three of them leave least; the fourth breaks the other half.
    /// </summary>
    [Fact]
    public void A_list_spares_the_large_holes_of_the_gpu_that_it_opens()
    {
        GpuPool fleet = PoolOf("");

        fleet.TryPlaceAll([.. Enumerable.Repeat(new PoolRequest("1g.5gb"), 4)], out IReadOnlyList<PoolPlacement>? places, out _).Should()
            .BeTrue();

        places!.Select(p => p.Placement.Start).Should().BeEquivalentTo([0, 1, 2, 3]);
        Place(fleet, "3g.20gb").Should().Be("0 at 4:4");
    }

    /// <summary>Against the planner, which is exact: what stands there is given a start, what comes none.</summary>
    [Fact]
    public void A_list_leaves_as_much_room_on_a_gpu_as_a_plan_does()
    {
        int several = 0;
        for (int seed = 0; seed < (LongTests.Wanted ? 10_000 : 500); seed++)
        {
            Random random = new(seed);
            BruteForce force = Force.Value;
            ulong layout = force.Layouts[random.Next(force.Layouts.Count)] & (ulong)random.NextInt64();
            string there = string.Join(',', force.SpotsOf(layout).Select(s => $"{s.Profile.Id}:{s.Place.Start}"));
            int[] wanted = [.. Enumerable.Range(0, random.Next(2, 5)).Select(_ => force.Profiles[random.Next(force.Profiles.Count)].Id)];
            if (!PoolOf(there)
                .TryPlaceAll([.. wanted.Select(id => new PoolRequest($"{id}"))], out IReadOnlyList<PoolPlacement>? places, out _))
                continue;

            several++;
            GpuSnapshot state = States.Of(States.A100, there);
            long left = States.Plan(
                state, string.Join(',', [there, .. places.Select(p => $"{p.Profile.Id}:{p.Placement.Start}")]).Trim(',')).Room;
            left.Should()
                .Be(
                    States.Plan(state, string.Join(',', [there, .. wanted.Select(id => $"{id}")]).Trim(',')).Room,
                    $"seed {seed}: {string.Join(',', wanted)} beside {there}");
        }

        several.Should().BeGreaterThan(50);
    }

    /// <summary>18 small ones and 3 that each GPU has once: the three must not come last.</summary>
    [Fact]
    public void Instances_that_a_gpu_has_only_once_are_not_squeezed_out()
    {
        GpuPool fleet = PoolOf("", "", "");

        fleet.TryPlaceAll(
            [.. Enumerable.Repeat(new PoolRequest("1g.5gb"), 18), .. Enumerable.Repeat(new PoolRequest("1g.5gb+me"), 3)], out _, out _)
                .Should().BeTrue();
        PoolOf("", "", "").TryPlaceAll([.. Enumerable.Repeat(new PoolRequest("1g.5gb"), 22)], out _, out PoolRefusal? refusal).Should()
            .BeFalse();
        refusal!.Message.Should().Be("22 1g.5gb are wanted; 21 at most fit on 3 GPUs beside the present instances.");
    }

    [Fact]
    public void An_unfinished_search_proves_nothing()
    {
        GpuPool fleet = PoolOf([.. Enumerable.Repeat("", 300)]);
        PoolRequest[] requests = [
            .. Enumerable.Repeat(new PoolRequest("7g.40gb"), 150), .. Enumerable.Repeat(new PoolRequest("2g.10gb"), 451)];

        fleet.TryPlaceAll(requests, out _, out PoolRefusal? refusal).Should().BeFalse();

        refusal!.IsProved.Should().BeFalse();
        refusal.Message.Should().StartWith("No arrangement of 451 2g.10gb, 150 7g.40gb on 300 GPUs was found. There may be one");
    }

    [Fact]
    public void Only_instances_that_exist_can_be_released()
    {
        GpuPool fleet = PoolOf("3g.20gb:0");
        GpuInstanceProfile half = fleet.Gpus[0].Snapshot.Instances[0].Profile;

        fleet.Invoking(f => f.Release(new PoolPlacement(0, half, new Placement(4, 4)))).Should()
            .Throw<PlanningException>().Which.Error.Should().Be(PlanningError.UnknownInstance);
        fleet.Invoking(f => f.Release(new PoolPlacement(1, half, new Placement(0, 4)))).Should().Throw<ArgumentOutOfRangeException>();
        fleet.Release(new PoolPlacement(0, half, new Placement(0, 4)));

        fleet.OpenedCount.Should().Be(0);
        Place(fleet, "7g.40gb").Should().Be("0 at 0:8");
    }

    [Fact]
    public void Gpus_can_be_chosen_by_group_and_have_different_models()
    {
        GpuPool fleet = new(
        [
            new PoolGpu("a", States.Of(States.A100, ""), "prod"),
            new PoolGpu("b", States.Of("H100-SXM5-80GB", ""), "prod"),
            new PoolGpu("c", States.Of(States.A100, ""), "test"),
        ]);

        Place(fleet, "3g.20gb", "test").Should().Be("2 at 4:4");
        Place(fleet, "3g.40gb").Should().Be("1 at 4:4");
        Place(fleet, "3g.40gb", "test").Should().Be("none");
        Place(fleet, "9", "prod").Should().Be("1 at 0:4");
    }

    [Fact]
    public void A_place_that_is_given_back_is_taken_again()
    {
        GpuPool fleet = PoolOf("3g.20gb:0");
        fleet.TryPlace(new PoolRequest("3g.20gb"), out PoolPlacement place).Should().BeTrue();
        Place(fleet, "1g.5gb").Should().Be("none");

        fleet.Release(place);

        Place(fleet, "3g.20gb").Should().Be("0 at 4:4");
        fleet.Release(place);
        fleet.Invoking(f => f.Release(place)).Should().Throw<PlanningException>().Which.Error.Should().Be(PlanningError.UnknownInstance);
    }

    /// <summary>Requests come and go; what stands on each GPU is always possible, and a refusal is true.</summary>
    [Fact]
    public void Random_requests_never_break_a_gpu()
    {
        Random random = new(3);
        GpuPool fleet = PoolOf([.. Enumerable.Repeat("", 12)]);
        List<PoolPlacement> places = [];
        string[] profiles = [.. Force.Value.Profiles.Select(p => p.Name)];
        int refused = 0;
        for (int i = 0; i < 2000; i++)
        {
            if (places.Count > 0 && random.Next(5) < 2)
            {
                int at = random.Next(places.Count);
                fleet.Release(places[at]);
                places.RemoveAt(at);
                continue;
            }

            PoolRequest request = new(profiles[random.Next(profiles.Length)]);
            if (fleet.TryPlace(request, out PoolPlacement place))
            {
                places.Add(place);
                CheckPlacements(fleet, places);
            }
            else
            {
                refused++;
                foreach (int gpu in Enumerable.Range(0, 12))
                    Force.Value.Spots.Where(s => s.Profile.Name == request.Profile).Should()
                        .NotContain(s => FitsBeside(fleet, places, gpu, s));
            }
        }

        refused.Should().BeGreaterThan(100);
    }

    private static readonly Lazy<BruteForce> Force = new(() => new BruteForce(SimulatedGeometries.Of(States.A100)));

    private static bool FitsBeside(GpuPool fleet, IEnumerable<PoolPlacement> places, int gpu, Spot spot)
    {
        ulong layout = Force.Value.LayoutOf(fleet.Gpus[gpu].Snapshot);
        foreach (PoolPlacement place in places.Where(p => p.Gpu == gpu))
            layout |= 1UL << Force.Value.Spots.Single(s => s.Profile == place.Profile && s.Place == place.Placement).Index;
        return !BruteForce.Has(layout, spot) && Known.Value.Contains(layout | 1UL << spot.Index);
    }

    private static readonly Lazy<HashSet<ulong>> Known = new(() => [.. Force.Value.Layouts]);

    /// <summary>Deals the instances out to the GPUs in every way, and looks up whether each can have its share.</summary>
    private static int? FewestOpened(ulong[] there, string[] wanted)
    {
        string[] kinds = [.. wanted.Distinct()];
        HashSet<string>[] takes = [.. there.Select(layout => Known.Value
            .Where(full => (full & layout) == layout)
            .Select(full => string.Join(',', kinds.Select(kind => Force.Value.SpotsOf(full & ~layout).Count(s => s.Profile.Name == kind))))
            .ToHashSet())];
        int? fewest = null;
        Deal(0, [.. kinds.Select(kind => wanted.Count(w => w == kind))], 0);
        return fewest;

        void Deal(int gpu, int[] left, int opened)
        {
            if (gpu == there.Length)
            {
                fewest = left.All(n => n == 0) && (fewest is null || opened < fewest) ? opened : fewest;
                return;
            }

            foreach (int[] share in takes[gpu].Select(text => text.Split(',').Select(int.Parse).ToArray())
                .Where(share => share.Zip(left, (a, b) => a <= b).All(fits => fits)))
                Deal(gpu + 1, [.. left.Zip(share, (a, b) => a - b)], opened + (there[gpu] == 0 && share.Any(n => n > 0) ? 1 : 0));
        }
    }

    private static void CheckPlacements(GpuPool fleet, IReadOnlyCollection<PoolPlacement> places)
    {
        foreach (IGrouping<int, PoolPlacement> onGpu in places.GroupBy(p => p.Gpu))
        {
            GpuSnapshot state = fleet.Gpus[onGpu.Key].Snapshot;
            SnapshotTables.Of(
                GpuSnapshot.Of(
                    state.Geometry, [.. state.Instances, .. onGpu.Select(p => new GpuInstanceSnapshot(p.Profile, p.Placement))]));
        }
    }

    private static GpuPool PoolOf(params string[] layouts) =>
        new(layouts.Select((layout, i) => new PoolGpu($"{i}", States.Of(States.A100, layout))));

    private static string Place(GpuPool fleet, string profile, string? group = null) =>
        fleet.TryPlace(new PoolRequest(profile, group), out PoolPlacement place) ? $"{place.Gpu} at {place.Placement}" : "none";
}
