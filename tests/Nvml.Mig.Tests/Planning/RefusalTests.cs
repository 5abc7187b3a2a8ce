using System.Globalization;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>Where there is no plan, the planner says why and what would help, and what it says is true.</summary>
public class RefusalTests
{
    [Fact]
    public void A_profile_has_its_limit_and_a_gpu_its_slices()
    {
        PlanRefusal refusal = States.Refuse(GpuSnapshot.Empty(SimulatedGeometries.Of(States.A100)), "4g.20gb*2");

        refusal.Reason.Should().Be(PlanRefusalReason.NoRoom);
        refusal.Shortages.Select(s => (s.Kind, s.Subject, s.Wanted, s.Available)).Should().Contain(
        [
            (PlanShortageKind.ProfileLimit, "4g.20gb", 2, 1),
            (PlanShortageKind.Resource, "compute slices", 8, 7),
        ]);
        refusal.Message.Should()
            .StartWith("2 instances of 4g.20gb are wanted; a GPU has 1 at most. 8 compute slices are wanted; the GPU has 7.");
        refusal.Nearest.Select(w => w.ToString()).Should().Equal("4g.20gb,3g.20gb", "4g.20gb,2g.10gb", "4g.20gb,1g.10gb");
    }

    [Fact]
    public void A_conflict_is_shown_by_the_fewest_instances()
    {
        PlanRefusal refusal = States.Refuse(GpuSnapshot.Empty(SimulatedGeometries.Of(States.A100)), "3g.20gb*2,1g.5gb");

        refusal.Shortages.Should().ContainSingle().Which.Kind.Should().Be(PlanShortageKind.MemorySlices);
        refusal = States.Refuse(GpuSnapshot.Empty(SimulatedGeometries.Of(States.A100)), "4g.20gb,1g.5gb:1");
        refusal.Shortages.Should().ContainSingle().Which.Should().BeEquivalentTo(new
        {
            Kind = PlanShortageKind.Placements,
            Subject = "1g.5gb:1,4g.20gb",
            Message =
                "1g.5gb:1,4g.20gb cannot stand beside each other: 1g.5gb can stand at 0:1, 1:1, 2:1, 3:1, 4:1, 5:1, 6:1; 4g.20gb can "
                    + "stand at 0:4.",
        });
        refusal.Nearest.Select(w => w.ToString()).Should().StartWith("4g.20gb,1g.5gb");
    }

    [Fact]
    public void Users_in_the_way_are_named()
    {
        PlanRefusal refusal = States.Refuse(States.Of(States.A100, "1g.5gb:0,1g.5gb:1,1g.5gb:5", 1, 3), "3g.20gb,1g.5gb*2");

        refusal.Reason.Should().Be(PlanRefusalReason.InUse);
        refusal.InTheWay.Should().ContainSingle();
        // The other could go as well, but then the third instance would have to move.
        refusal.Message.Should().Be("GPU instance 3 (1g.5gb at 5:1) is in use by process 4713 (python) and in the way.");
        refusal.Blocked.Where(b => b.Profile.Name == "3g.20gb").Select(b => $"{b.Placement}: {string.Join(", ", b.By)}").Should().Equal(
            "0:4: GPU instance 1 (1g.5gb at 0:1)", "4:4: GPU instance 3 (1g.5gb at 5:1)");
        refusal.Removal.Should().Equal(refusal.InTheWay);
        refusal.Nearest.Select(w => w.ToString()).Should().StartWith("2g.10gb,1g.5gb*2");
    }

    [Fact]
    public void A_hidden_client_is_named_as_such()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:0");
        state = GpuSnapshot.Of(state.Geometry, [state.Instances[0] with { IsInUse = true }]);

        States.Refuse(state, "7g.40gb").Message.Should()
            .Be("GPU instance 1 (1g.5gb at 0:1) is in use by a client that NVML does not show and in the way.");
    }

    [Fact]
    public void The_smallest_removal_makes_room_for_what_is_to_be_added()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:0,1g.5gb:1,2g.10gb:2,3g.20gb:4", 4);

        PlanRefusal refusal = States.Refuse(state, "+2g.10gb");

        refusal.Reason.Should().Be(PlanRefusalReason.NoRoom);
        refusal.Removal.Should().Equal(state.Instances.Take(2));
        States.Refuse(state, "+3g.20gb").Removal.Should().Equal(state.Instances.Take(3));
        States.Refuse(state, "+4g.20gb").Removal.Should().Equal(state.Instances.Take(3));
        States.Refuse(state, "+1g.5gb").Removal.Should().ContainSingle().Which.IsAnythingInUse.Should().BeFalse();
        States.Refuse(state, "+4g.20gb*2").Removal.Should().BeNull();
    }

    /// <summary>On random states and changes, everything the refusal proposes is tried, and nothing smaller works.</summary>
    [Theory]
    [InlineData(States.A100)]
    [InlineData("A30")]
    [InlineData("RTX-PRO-6000-Server")]
    public void Proposals_work(string model)
    {
        BruteForce force = new(SimulatedGeometries.Of(model));
        Random random = new(7);
        int refused = 0;
        for (int i = 0; i < (LongTests.Wanted ? 3000 : 150); i++)
        {
            ulong layout = force.Layouts[random.Next(force.Layouts.Count)];
            GpuSnapshot state = States.Of(
                model,
                string.Join(',', force.SpotsOf(layout).Select(s => $"{s.Profile.Id}:{s.Place.Start}")),
                [.. Enumerable.Range(1, 8).Where(_ => random.Next(3) == 0)]);
            LayoutSpec spec = LayoutSpec.Parse(
                $"+{force.Profiles[random.Next(force.Profiles.Count)].Id},+{force.Profiles[random.Next(force.Profiles.Count)].Id}");
            if (Planner.TryPlan(state, spec, out _, out PlanRefusal? refusal))
                continue;
            refused++;
            refusal.Nearest.Where(near => !Planner.CanPlan(state, near)).Should().BeEmpty($"{state} {spec}");
            int[] needed = [.. refusal.InTheWay.Select(x => x.Id!.Value)];
            (refusal.Reason == PlanRefusalReason.InUse).Should().Be(needed.Length > 0);
            if (needed.Length > 0)
                Planner.CanPlan(state, spec, new PlanOptions { AllowInUse = needed }).Should().BeTrue($"{state} {spec}");
            foreach (int spared in needed)
                Planner.CanPlan(state, spec, new PlanOptions { AllowInUse = [.. needed.Where(id => id != spared)] }).Should().BeFalse();

            // The layouts that hold the rest of the state as it stands, if it is in use, or anywhere, and what is added.
            // Nothing is gained by an instance of a profile that is to be added, and an idle one is rather given up.
            string[] added = [.. spec.Items.Select(item => item.Profile)];
            GpuInstanceSnapshot[] useful = [.. state.Instances
                .Where(there => !added.Contains(there.Profile.Id.ToString(CultureInfo.InvariantCulture), StringComparer.Ordinal))];
            int? smallest = Smallest(state, spec, there => useful.Contains(there) && !there.IsAnythingInUse)
                ?? Smallest(state, spec, useful.Contains);
            refusal.Removal?.Count.Should().Be(smallest, $"{state} {spec}");
            (refusal.Removal is null).Should().Be(smallest is null);
        }

        refused.Should().BeGreaterThan(30);
    }

    private static int? Smallest(GpuSnapshot state, LayoutSpec spec, Func<GpuInstanceSnapshot, bool> mayGo) =>
        Enumerable.Range(0, 1 << state.Instances.Count)
            .Where(set => !state.Instances.Where((there, i) => (set >> i & 1) != 0 && !mayGo(there)).Any()
                && Without(state, set) is var rest && Planner.CanPlan(rest, spec))
            .Select(set => (int?)System.Numerics.BitOperations.PopCount((uint)set))
            .Min();

    private static GpuSnapshot Without(GpuSnapshot state, int set) =>
        GpuSnapshot.Of(state.Geometry, state.Instances.Where((_, i) => (set >> i & 1) == 0));
}
