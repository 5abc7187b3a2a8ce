using System.Text.Json;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>Plans as examples, most of them for an A100 with 40 GB.</summary>
public class PlannerTests
{
    private static GpuSnapshot Empty => GpuSnapshot.Empty(SimulatedGeometries.Of(States.A100));

    [Theory]
    [InlineData("19,19,14,9")] // the order that NVIDIA's guide says fails
    [InlineData("9,14,19,19")]
    [InlineData("19,14,9,19")]
    [InlineData("1g.5gb*2,2g.10gb,3g.20gb")]
    public void The_order_of_a_spec_does_not_matter(string spec)
    {
        GpuPlan plan = States.Plan(Empty, spec);

        States.Describe(plan.GetResult()).Should().Be("1g.5gb at 0:1, 1g.5gb at 1:1, 2g.10gb at 2:2, 3g.20gb at 4:4");
        plan.Steps.Select(s => s.ToString()).Should().StartWith(
        [
            "create GPU instance 1g.5gb at 0:1",
            "create compute instance 1g.5gb in GPU instance 1g.5gb at 0:1",
            "create GPU instance 1g.5gb at 1:1",
        ]).And.HaveCount(8);
    }

    /// <summary>Ids are unique, names need not be: a driver to come can have two profiles of one name.</summary>
    [Fact]
    public void Profiles_of_the_same_name_are_told_apart_by_id()
    {
        GpuGeometry geometry = new(
            Empty.Geometry.Profiles.Select(
                p => p.Profile.Name == "1g.5gb+me" ? p with { Profile = p.Profile with { Name = "1g.5gb" } } : p));
        GpuSnapshot state = States.Plan(GpuSnapshot.Empty(geometry), "19,20,9").GetResult();

        state.ToString().Should().Be("19:0,20:1,3g.20gb:4");
        Defragmentation.GetScore(state).Should().Be(0);
        States.Refuse(state, "9*2,20*2").Nearest.Should().NotBeEmpty().And.OnlyContain(spec => Planner.CanPlan(state, spec, null));
        FluentActions.Invoking(() => LayoutSpec.Parse("1g.5gb")).Should().NotThrow();
        FluentActions.Invoking(() => States.Plan(state, "1g.5gb")).Should().Throw<PlanningException>().Which.Error.Should()
            .Be(PlanningError.AmbiguousProfile);
    }

    /// <summary>
    /// Where NVML has not shown yet what goes inside, only the sizes that NVML knows are taken, and a plan says what it assumes.
    /// </summary>
    [Fact]
    public void Unseen_profiles_make_a_plan_uncertain()
    {
        GpuSnapshot unseen = GpuSnapshot.Empty(new GpuGeometry(Empty.Geometry.Profiles.Select(p => p with { ComputeProfiles = null })));

        States.Plan(unseen, "3g.20gb,1g.5gb").IsVerified.Should().BeTrue("the whole is always there");
        GpuPlan plan = States.Plan(unseen, "7g.40gb/4c/3c");
        plan.IsVerified.Should().BeFalse();
        plan.Steps.Select(s => s.ComputeInstance?.Name).Should().Equal(null, "4c.7g.40gb", "3c.7g.40gb");
        FluentActions.Invoking(() => States.Plan(unseen, "7g.40gb/5c")).Should().Throw<PlanningException>()
            .WithMessage("*'5c'*Write 1c, 2c, 3c, 4c, 6c, 7c.").Which.Error.Should().Be(PlanningError.UnknownProfile);
        States.Plan(Empty, "7g.40gb/4c/3c").IsVerified.Should().BeTrue();
    }

    /// <summary>A third of 32 alike instances goes: which of them does not multiply the work.</summary>
    [Fact]
    public void Many_of_a_profile_are_removed_at_once()
    {
        GpuInstanceProfile profile = Empty.Geometry.Profiles[0].Profile with { SliceCount = 0, MaxInstances = 32 };
        GpuGeometry geometry = new([new ProfileGeometry(profile, [.. Enumerable.Range(0, 32).Select(i => new Placement(i, 1))])]);
        GpuSnapshot full = GpuSnapshot.Of(
            geometry, Enumerable.Range(0, 32).Select(i => new GpuInstanceSnapshot(profile, new Placement(i, 1)) { Id = i }));

        GpuPlan plan = States.Plan(full, $"-{profile.Name}*11");

        (plan.Kept.Count, plan.DestroyedCount).Should().Be((21, 11));
    }

    /// <summary>Schedulers ask all the time.</summary>
    [Fact]
    public void The_question_allocates_nothing_and_a_plan_little()
    {
        GpuSnapshot full = States.Of(States.A100, "1g.5gb:0,1g.5gb:1,2g.10gb:2,3g.20gb:4", inUse: 1);
        LayoutSpec spec = LayoutSpec.Parse("3g.20gb,1g.5gb*4");

        Allocated(() => Planner.CanPlan(full, spec)).Should().Be(0);
        Allocated(() => Planner.TryPlan(full, spec, out _, out _)).Should().BeLessThan(2048);

        static long Allocated(Func<bool> ask)
        {
            for (int i = 0; i < 100; i++)
                ask().Should().BeTrue();
            long before = GC.GetAllocatedBytesForCurrentThread();
            ask();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public void Instances_that_fit_stay_with_ids_and_uuids()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:1,1g.5gb:2,2g.10gb:4");

        GpuPlan plan = States.Plan(state, "3g.20gb,1g.5gb*3");

        plan.Kept.Select(i => (i.Id, i.ComputeInstances[0].MigUuid)).Should().Equal((1, "MIG-1-0"), (2, "MIG-2-0"));
        plan.Steps.Where(s => !s.IsCreate).Select(s => s.ToString()).Should().Equal(
            "destroy compute instance 0 (2g.10gb) of GPU instance 3 (2g.10gb at 4:2)",
            "destroy GPU instance 3 (2g.10gb at 4:2)");
        plan.GetReason(plan.Steps[0]).Should().Be("its place is wanted for 3g.20gb at 4:4");
        States.Describe(plan.GetResult()).Should().Be("1g.5gb at 0:1, 1g.5gb at 1:1, 1g.5gb at 2:1, 3g.20gb at 4:4");
        (plan.DestroyedCount, plan.DestroyedInUseCount).Should().Be((2, 0));
    }

    [Fact]
    public void A_gpu_that_is_as_asked_needs_nothing()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:6,3g.20gb:0/1c/1c");

        States.Plan(state, "3g.20gb/1c/1c,1g.5gb").IsEmpty.Should().BeTrue();
        States.Plan(state, state.ToString()).IsEmpty.Should().BeTrue();
        States.Plan(state, "1c.3g.20gb*2,1g.5gb").IsEmpty.Should().BeTrue();
    }

    [Fact]
    public void An_empty_spec_empties_the_gpu_but_for_what_is_in_use()
    {
        States.Plan(States.Of(States.A100, "3g.20gb:4,1g.5gb:0"), "").Steps.Select(s => s.Kind).Should().Equal(
            LayoutStepKind.DestroyComputeInstance,
            LayoutStepKind.DestroyGpuInstance,
            LayoutStepKind.DestroyComputeInstance,
            LayoutStepKind.DestroyGpuInstance);
        States.Refuse(States.Of(States.A100, "3g.20gb:4,1g.5gb:0", inUse: 1), "").Reason.Should().Be(PlanRefusalReason.InUse);
    }

    [Fact]
    public void An_instance_in_use_keeps_its_place_whatever_room_that_costs()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:5,1g.5gb:0", inUse: 2);

        GpuPlan plan = States.Plan(state, "1g.5gb*2,3g.20gb");

        States.Describe(plan.GetResult()).Should().Be("3g.20gb at 0:4, 1g.5gb at 4:1, 1g.5gb at 5:1");
        plan.Kept.Should().ContainSingle().Which.Should().Be(state.Instances[1]);
    }

    [Fact]
    public void An_instance_in_use_goes_only_if_it_is_named()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:0,1g.5gb:4", 1, 2);

        States.Refuse(state, "3g.20gb,1g.5gb").InTheWay.Should().ContainSingle();
        GpuPlan plan = States.Plan(state, "3g.20gb,1g.5gb", 1);
        plan.Destroyed.Should().Equal(state.Instances[0]);
        (plan.DestroyedCount, plan.DestroyedInUseCount).Should().Be((2, 2));
        States.Describe(plan.GetResult()).Should().Be("3g.20gb at 0:4, 1g.5gb at 4:1");
    }

    [Fact]
    public void Compute_instances_change_inside_a_gpu_instance_that_stays()
    {
        GpuSnapshot state = States.Of(States.A100, "4g.20gb:0/1c:0/1c:1/2c:2");

        GpuPlan plan = States.Plan(state, "4g.20gb/2c*2");

        plan.Kept.Should().Equal(state.Instances);
        plan.Steps.Select(s => s.ToString()).Should().Equal(
            "destroy compute instance 0 (1c.4g.20gb) at 0:1 of GPU instance 1 (4g.20gb at 0:4)",
            "destroy compute instance 1 (1c.4g.20gb) at 1:1 of GPU instance 1 (4g.20gb at 0:4)",
            "create compute instance 2c.4g.20gb at 0:2 in GPU instance 1 (4g.20gb at 0:4)");
        plan.GetResult().Instances[0].ComputeInstances[0].Should().Be(state.Instances[0].ComputeInstances[2]);
    }

    [Fact]
    public void A_compute_instance_in_use_stays_while_others_change()
    {
        GpuSnapshot state = States.Of(States.A100, "4g.20gb:0/1c:0/1c:1/2c:2");
        GpuInstanceSnapshot instance = state.Instances[0];
        state = GpuSnapshot.Of(state.Geometry, [instance with
        {
            ComputeInstances = [
                instance.ComputeInstances[0], instance.ComputeInstances[1] with { IsInUse = true }, instance.ComputeInstances[2]],
        }]);

        States.Plan(state, "4g.20gb/1c*4").Steps.Select(s => s.ToString()).Should().Equal(
            "destroy compute instance 2 (2c.4g.20gb) at 2:2 of GPU instance 1 (4g.20gb at 0:4)",
            "create compute instance 1c.4g.20gb at 2:1 in GPU instance 1 (4g.20gb at 0:4)",
            "create compute instance 1c.4g.20gb at 3:1 in GPU instance 1 (4g.20gb at 0:4)");
        States.Refuse(state, "4g.20gb/2c*2").InTheWay.Should().Equal(state.Instances);
        States.Refuse(state, "4g.20gb").Reason.Should().Be(PlanRefusalReason.InUse);
    }

    [Fact]
    public void A_gpu_instance_with_unknown_users_is_kept_inside()
    {
        GpuSnapshot state = States.Of(States.A100, "4g.20gb:0/1c:0/1c:1");
        state = GpuSnapshot.Of(state.Geometry, [state.Instances[0] with { IsInUse = true }]);

        States.Plan(state, "4g.20gb/1c*3").Steps.Should().ContainSingle().Which.IsCreate.Should().BeTrue();
        States.Refuse(state, "4g.20gb/1c").Reason.Should().Be(PlanRefusalReason.InUse);
    }

    [Theory]
    [InlineData("1c.3g.20gb*2", "3g.20gb:4/1c:0/1c:1")]
    [InlineData("1c.3g.20gb*4", "3g.20gb:0/1c:0,3g.20gb:4/1c:0/1c:1/1c:2")]
    [InlineData("2c.3g.20gb,1c.3g.20gb", "3g.20gb:4/1c:0/2c:1")]
    [InlineData("2c.3g.20gb*2", "3g.20gb:0/2c:0,3g.20gb:4/2c:0")]
    [InlineData("3c.7g.40gb,4c.7g.40gb", "7g.40gb:0/3c:0/4c:3")]
    [InlineData("1c.1g.5gb*2", "1g.5gb:4,1g.5gb:5")] // slices 6 and 7 stay for a 1g.10gb
    public void Compute_instances_share_as_few_gpu_instances_as_hold_them(string spec, string layout)
    {
        GpuSnapshot result = States.Plan(Empty, spec).GetResult();

        States.Plan(result, layout).IsEmpty.Should().BeTrue($"{spec} gives {result}");
    }

    [Fact]
    public void Compute_instances_that_can_be_shared_stay()
    {
        GpuSnapshot state = States.Of(States.A100, "3g.20gb:0/1c*2,3g.20gb:4/1c*2", inUse: 1);

        States.Plan(state, "1c.3g.20gb*4").IsEmpty.Should().BeTrue();
        States.Plan(state, "1c.3g.20gb*5").Steps.Should().ContainSingle();
        States.Plan(state, "1c.3g.20gb*2").Destroyed.Should().Equal(state.Instances[1]);
    }

    [Fact]
    public void Hopper_aligns_compute_instances_and_ampere_does_not()
    {
        States.Refuse(States.Of("H100-SXM5-80GB", "4g.40gb:0/1c:1/1c:2", inUse: 1), "4g.40gb/1c/1c/2c").Reason.Should().Be(PlanRefusalReason.InUse);
        States.Plan(States.Of(States.A100, "4g.20gb:0/1c:0/1c:3", inUse: 1), "4g.20gb/1c/1c/2c").Steps.Should().ContainSingle();
    }

    [Fact]
    public void Profiles_of_one_size_are_told_apart_by_id()
    {
        GpuSnapshot state = GpuSnapshot.Empty(SimulatedGeometries.Of("H100-SXM5-80GB"));

        GpuPlan plan = States.Plan(state, "2g.20gb/7,2g.20gb/1c");

        plan.Steps.Where(s => s.Kind == LayoutStepKind.CreateComputeInstance).Select(s => s.ComputeInstance!.Profile!.Id).Should()
            .BeEquivalentTo([7, 0]);
        LayoutSpec.For(plan.GetResult()).ToString().Should().Match("2g.20gb:?/?*,2g.20gb:?/?*").And.Contain("/7:0").And.Contain("/1c:0");
    }

    [Fact]
    public void A_change_keeps_the_rest()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:0,1g.5gb:4,2g.10gb:2", 1);

        States.Plan(state, "+1g.5gb").Steps.Select(s => s.ToString()).Should()
            .HaveCount(2).And.StartWith("create GPU instance 1g.5gb at 1:1");
        States.Plan(state, "-2g.10gb").Destroyed.Should().Equal(state.Instances[1]);
        States.Plan(state, "-1g.5gb").Destroyed.Should().Equal(state.Instances[2]);
        States.Plan(state, "-GI3").Destroyed.Should().Equal(state.Instances[2]);
        States.Refuse(state, "-GI1").InTheWay.Should().Equal(state.Instances[0]);
        States.Plan(state, "-GI1", 1).Destroyed.Should().Equal(state.Instances[0]);
    }

    [Fact]
    public void A_change_moves_what_is_not_in_use_to_make_room()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:0,1g.5gb:4,2g.10gb:2", 1);

        GpuPlan plan = States.Plan(state, "+3g.20gb");

        States.Describe(plan.GetResult()).Should().Be("1g.5gb at 0:1, 1g.5gb at 1:1, 2g.10gb at 2:2, 3g.20gb at 4:4");
        plan.Destroyed.Should().Equal(state.Instances[2]);
        plan.GetReason(plan.Steps[0]).Should().Be("moves to 1:1: its place is wanted for 3g.20gb at 4:4");
        plan.GetReason(plan.Steps.First(s => s.IsCreate)).Should().Be("takes the place of GPU instance 3 (1g.5gb at 4:1)");
    }

    [Fact]
    public void The_steps_of_a_plan_can_be_written_down_and_read_again()
    {
        GpuPlan plan = States.Plan(States.Of(States.A100, "1g.5gb:0,3g.20gb:4/1c"), "2g.10gb,3g.20gb");

        string json = JsonSerializer.Serialize(plan.Steps);

        JsonSerializer.Deserialize<LayoutStep[]>(json).Should().Equal(plan.Steps);
    }

    [Fact]
    public void An_instance_that_must_go_does_not_stay_under_another_name()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:0");

        GpuPlan plan = States.Plan(state, "-GI1,+1g.5gb:0");

        plan.Kept.Should().BeEmpty();
        plan.Steps.Should().HaveCount(4);
    }

    [Fact]
    public void A_recorded_layout_is_a_spec_that_leads_back()
    {
        GpuSnapshot before = States.Of(States.A100, "1g.5gb:1,2g.10gb:4/1c:1,1g.5gb:6/none");
        GpuSnapshot after = States.Plan(before, "7g.40gb").GetResult();

        GpuSnapshot back = States.Plan(after, LayoutSpec.For(before).ToString()).GetResult();

        back.ToString().Should().Be(before.ToString()).And.Be("1g.5gb:1,2g.10gb:4/1c:1,1g.5gb:6/none");
    }

    [Fact]
    public void Unseen_compute_profiles_are_planned_by_slices()
    {
        GpuGeometry bare = new(SimulatedGeometries.Of(States.A100).Profiles.Select(p => p with { ComputeProfiles = null }));

        GpuPlan plan = States.Plan(GpuSnapshot.Empty(bare), "3g.20gb,4g.20gb/1c*2/2c");

        plan.Steps.Where(s => s.Kind == LayoutStepKind.CreateComputeInstance)
            .Select(
                s => (s.GpuInstance!.Profile.Name, s.ComputeInstance!.Profile, s.ComputeInstance.SliceCount, s.ComputeInstance.Placement))
            .Should().Equal(("4g.20gb", null, 2, null), ("4g.20gb", null, 1, null), ("4g.20gb", null, 1, null), ("3g.20gb", null, 3, null));
        States.Refuse(GpuSnapshot.Empty(bare), "4g.20gb/3c/2c").Shortages.Should().ContainSingle().Which.Kind.Should()
            .Be(PlanShortageKind.ComputeInstances);
    }

    [Theory]
    [InlineData("3g.20gb/1c:9", PlanningError.InvalidPlacement)]
    [InlineData("3g.20gb/2c:2", PlanningError.InvalidPlacement)]
    [InlineData("3g.20gb/2c:0/1c:1", PlanningError.Overlap)]
    public void Absent_compute_slices_are_refused_unseen(string spec, PlanningError error)
    {
        GpuGeometry bare = new(SimulatedGeometries.Of(States.A100).Profiles.Select(p => p with { ComputeProfiles = null }));

        Action plan = () => Planner.TryPlan(GpuSnapshot.Empty(bare), LayoutSpec.Parse(spec), out _, out _);

        plan.Should().Throw<PlanningException>().Which.Error.Should().Be(error);
    }

    [Fact]
    public void Engines_are_those_that_profiles_can_have_together()
    {
        GpuGeometry a30 = SimulatedGeometries.Of("A30");
        GpuGeometry withoutWhole = new(a30.Profiles.Where(p => p.Profile.Name != "4g.24gb"));

        Planner.CanPlan(GpuSnapshot.Empty(withoutWhole), LayoutSpec.Parse("1g.6gb*4")).Should().BeTrue();
        States.Refuse(GpuSnapshot.Empty(withoutWhole), "1g.6gb+me,2g.12gb+me").Shortages.Select(s => s.Subject).Should()
            .Equal("JPEG engines", "optical flow engines");
    }

    [Fact]
    public void A_plan_leaves_one_large_hole_and_not_two_small_ones()
    {
        States.Describe(States.Plan(States.Of(States.A100, "1g.5gb:4"), "1g.5gb*2").GetResult()).Should()
            .Be("1g.5gb at 4:1, 1g.5gb at 5:1");
        States.Describe(States.Plan(Empty, "2g.10gb*2").GetResult()).Should().Be("2g.10gb at 0:2, 2g.10gb at 2:2");
    }
}
