using System.Collections.Concurrent;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>
/// All layouts of a GPU: each set of instances that the rules allow can be created, its placements named, and no other.
/// </summary>
/// <remarks>
/// The walk through the simulator knows no rules. In each layout it tries every place of every profile once, and goes on from where
/// that leads, one instance created or destroyed per step. The work is therefore the number of layouts times the number of places:
/// 2,319 times 25 for all profiles of a GPU with 7 slices, few enough to leave none out. GPUs that offer the same are walked once,
/// in the long form each.
/// </remarks>
public class ExhaustiveLayoutTests
{
    private static readonly ConcurrentDictionary<string, string> Walked = new();

    public static TheoryData<string> Models => new(TestedModels.All.Select(model => model.Name));

    [Theory]
    [MemberData(nameof(Models))]
    public void Exactly_the_layouts_that_the_rules_allow_can_be_created(string model)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        Spot[] spots = Spots(machine.Gpu);
        if (!Walked.TryAdd(string.Join(';', spots.AsEnumerable()), model) && !LongTests.Wanted)
            return;

        Dictionary<ulong, bool> created = Walk(machine.Gpu, spots);

        HashSet<ulong> allowed = Enumerate(spots);
        created.Keys.Where(layout => !allowed.Contains(layout)).Select(Describe).Should().BeEmpty("the rules do not allow them");
        allowed.Where(layout => !created.ContainsKey(layout)).Select(Describe).Should().BeEmpty("the rules allow all of them");

        string Describe(ulong layout) =>
            string.Join(", ", spots.Where((_, i) => Has(layout, i)).Select(spot => $"{spot.Profile} at {spot.Place}"));
    }

    /// <summary>The known numbers are of profiles 1g, 2g, 3g, 4g and 7g alone. The 298 have the empty layout among them.</summary>
    [Theory]
    [MemberData(nameof(Models))]
    public void Plain_profiles_make_the_known_number_of_layouts(string model)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        Spot[] plain = [.. Spots(machine.Gpu).Where(spot => spot.Profile.Number <= 4)];

        Dictionary<ulong, bool> created = Walk(machine.Gpu, plain);

        created.Should().ContainKey(0, "no instance at all is a layout too");
        (int Layouts, int Maximal) known = plain.Max(spot => spot.Profile.SliceCount) switch
        {
            7 => (298, 19),
            4 => (26, 5),
            int slices => throw new InvalidOperationException($"Nobody counted the layouts of {slices} slices: add their number here."),
        };
        (created.Count, created.Values.Count(isMaximal => isMaximal)).Should().Be(known);
    }

    private static bool Has(ulong layout, int spot) => (layout >> spot & 1) != 0;

    /// <summary>Every place of every profile.</summary>
    private static Spot[] Spots(GpuDevice gpu)
    {
        IReadOnlyList<GpuInstanceProfile> profiles = gpu.GetGpuInstanceProfiles();
        Engines all = Engines.OfTheWhole(profiles);
        Spot[] spots =
            [.. profiles.SelectMany(profile => gpu.GetPossiblePlacements(profile).Select(place => new Spot(profile, place, all)))];
        spots.Length.Should().BeInRange(1, 64, "a layout is a set of bits");
        return spots;
    }

    /// <summary>The layouts that can be created, as sets of spots, each with whether nothing fits beside it any more.</summary>
    private static Dictionary<ulong, bool> Walk(GpuDevice gpu, Spot[] spots)
    {
        Dictionary<ulong, bool> reached = [];
        Visit(0);
        gpu.GetGpuInstances().Should().BeEmpty("what was created was destroyed");
        return reached;

        void Visit(ulong layout)
        {
            reached.Add(layout, true);
            IReadOnlyList<GpuInstance> there = gpu.GetGpuInstances();
            there.Select(instance => Array.FindIndex(spots, spot => spot.Profile == instance.Profile && spot.Place == instance.Placement))
                .Order().Should().Equal(Enumerable.Range(0, spots.Length).Where(i => Has(layout, i)), "the driver lists what was created");
            there.Select(instance => instance.Id).Distinct().Should().HaveCount(there.Count);
            for (int i = 0; i < spots.Length; i++)
            {
                if (TryCreate(gpu, spots[i]) is not { } instance)
                    continue;
                reached[layout] = false;
                ulong next = layout | 1UL << i;
                if (!reached.ContainsKey(next))
                    Visit(next);
                instance.Destroy();
            }
        }
    }

    private static GpuInstance? TryCreate(GpuDevice gpu, Spot spot)
    {
        try
        {
            return gpu.CreateGpuInstance(spot.Profile, spot.Place);
        }
        catch (NvmlInsufficientResourcesException)
        {
            return null;
        }
    }

    /// <summary>The layouts that the rules allow, without the simulator: with or without the first spot, the second, and so on.</summary>
    private static HashSet<ulong> Enumerate(Spot[] spots)
    {
        HashSet<ulong> layouts = [];
        Choose(0, 0, []);
        return layouts;

        void Choose(int next, ulong layout, List<Spot> chosen)
        {
            if (next == spots.Length)
            {
                layouts.Add(layout);
                return;
            }

            Choose(next + 1, layout, chosen);
            Spot spot = spots[next];
            if (chosen.Exists(other => other.Place.Overlaps(spot.Place))
                || chosen.Count(other => other.Profile == spot.Profile) == spot.Profile.MaxInstances
                || !spot.EnginesOfTheGpu.Suffice([.. chosen.Select(other => other.Profile), spot.Profile]))
            {
                return;
            }

            chosen.Add(spot);
            Choose(next + 1, layout | 1UL << next, chosen);
            chosen.RemoveAt(chosen.Count - 1);
        }
    }

    private sealed record Spot(GpuInstanceProfile Profile, Placement Place, Engines EnginesOfTheGpu)
    {
        /// <summary>Everything that decides about layouts.</summary>
        public override string ToString() =>
            $"{Profile.Number} {Profile.SliceCount} {Profile.MaxInstances} {Place} {Engines.Of(Profile)} {EnginesOfTheGpu}";
    }
}
