using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>Instances that are promised to somebody stay; idle ones can make room, if that is asked for.</summary>
public class KeepAndEvictTests
{
    private const string H100 = "H100-SXM5-80GB";

    /// <summary>Ids from the left: 1 to 4 the small ones, 5 the half.</summary>
    private static GpuSnapshot Full(params int[] inUse) => States.Of(H100, "1g.10gb:0,1g.10gb:1,1g.10gb:2,1g.10gb:3,3g.40gb:4", inUse);

    [Theory]
    [InlineData("none", 5)]
    [InlineData("1g.10gb*4", 5)]
    [InlineData("-GI5", 5)]
    [InlineData("-1g.10gb*4", 2)]
    [InlineData("-GI2,+1g.10gb", 2)]
    [InlineData("7g.80gb", 1)]
    public void A_kept_instance_is_in_the_way(string spec, int kept)
    {
        PlanRefusal refusal = States.Refuse(Full(), spec, new PlanOptions { Keep = [kept] });

        refusal.Reason.Should().Be(PlanRefusalReason.Kept);
        refusal.InTheWay.Select(i => i.Id).Should().Equal(kept);
        refusal.Message.Should().MatchRegex($@"^GPU instance {kept} \(.*\) is to be kept and in the way\.$");
        refusal.Removal?.Select(i => i.Id).Should().NotContain(kept);
    }

    [Fact]
    public void A_kept_instance_stays_whatever_else_is_allowed()
    {
        GpuSnapshot full = Full(inUse: 2);
        PlanOptions options = new() { AllowInUse = [2], Keep = [2] };

        States.Refuse(full, "3g.40gb", options).Reason.Should().Be(PlanRefusalReason.Kept);
        States.Plan(full, "1g.10gb,3g.40gb", options).Kept.Select(i => i.Id).Should().Equal(2, 5);
    }

    [Fact]
    public void Nothing_inside_a_kept_instance_is_changed()
    {
        GpuSnapshot state = States.Of(States.A100, "4g.20gb:0/1c:0/1c:1");

        States.Plan(state, "4g.20gb/2c").Steps.Should().NotBeEmpty();
        States.Plan(state, "4g.20gb/1c*3", new PlanOptions { Keep = [1] }).Steps.Should().ContainSingle().Which.IsCreate.Should().BeTrue();
        States.Refuse(state, "4g.20gb/2c", new PlanOptions { Keep = [1] }).Reason.Should().Be(PlanRefusalReason.Kept);
    }

    [Fact]
    public void A_kept_instance_is_not_named_as_removable()
    {
        PlanOptions keep = new() { Keep = [5] };

        States.Refuse(Full(), "+2g.20gb").Removal!.Select(i => i.Id).Should().Equal(5);
        States.Refuse(Full(), "+2g.20gb", keep).Removal!.Select(i => i.Id).Should().HaveCount(2).And.NotContain(5);
        States.Refuse(Full(), "+3g.40gb", keep).Removal!.Select(i => i.Id).Should().Equal(1, 2, 3, 4);
        States.Refuse(Full(), "+7g.80gb", keep).Removal.Should().BeNull();
        States.Refuse(Full(), "1g.10gb*7", keep).Nearest.Should().NotBeEmpty().And.OnlyContain(s => Planner.CanPlan(Full(), s, keep));
    }

    [Fact]
    public void An_instance_to_keep_must_be_there() =>
        FluentActions.Invoking(() => States.Plan(Full(), "none", new PlanOptions { Keep = [77] }))
            .Should().Throw<PlanningException>().Which.Error.Should().Be(PlanningError.UnknownInstance);

    [Theory]
    [InlineData("+1g.10gb", 1)]
    [InlineData("+2g.20gb", 1)] // the half, and not two small ones
    [InlineData("+1g.10gb*2,+1g.20gb", 1)]
    [InlineData("+4g.40gb", 2)]
    [InlineData("+7g.80gb", 5)]
    public void The_fewest_idle_instances_make_room(string spec, int evicted)
    {
        GpuPlan plan = States.Plan(Full(), spec, new PlanOptions { EvictIdle = true });

        // Those that only move are created again.
        int created = plan.Steps.Count(s => s.Kind == LayoutStepKind.CreateGpuInstance);
        (plan.Destroyed.Count - created + LayoutSpec.Parse(spec).Items.Sum(i => i.Count)).Should().Be(evicted);
    }

    /// <summary>To give up one of a profile for another of it would gain nothing.</summary>
    [Theory]
    [InlineData("+1g.10gb")]
    [InlineData("+3g.40gb")]
    [InlineData("+1g.10gb,+2g.20gb")]
    [InlineData("+3g.40gb,-GI1")]
    public void No_instance_of_the_wanted_profile_is_to_go(string spec)
    {
        string[] wanted = [.. LayoutSpec.Parse(spec).Items.Select(item => item.Profile)];

        States.Refuse(Full(), spec).Removal?.Should().NotContain(i => wanted.Contains(i.Profile.Name, StringComparer.Ordinal));
        if (Planner.TryPlan(Full(), spec: LayoutSpec.Parse(spec), out GpuPlan? plan, out _, new PlanOptions { EvictIdle = true }))
            plan.Destroyed.Count(i => wanted.Contains(i.Profile.Name, StringComparer.Ordinal)).Should().Be(0);
    }

    [Fact]
    public void Only_idle_instances_are_evicted()
    {
        PlanOptions evict = new() { EvictIdle = true };

        States.Plan(Full(inUse: 5), "+2g.20gb", evict).Destroyed.Should().HaveCount(2).And.NotContain(i => i.Id == 5);
        States.Plan(Full(2, 5), "+2g.20gb", evict).Destroyed.Select(i => i.Id).Should().Equal(3, 4);
        States.Refuse(Full(1, 2, 3, 4, 5), "+2g.20gb", evict).Removal.Should().NotBeNull();
        States.Plan(Full(inUse: 5), "+3g.40gb", evict).Destroyed.Select(i => i.Id).Should().Equal(1, 2, 3, 4);
        States.Plan(Full(), "+3g.40gb", evict with { Keep = [5] }).Destroyed.Select(i => i.Id).Should().Equal(1, 2, 3, 4);
        States.Refuse(Full(), "+3g.40gb", evict with { Keep = [1, 5] }).Removal.Should().BeNull();
    }

    [Fact]
    public void Nothing_is_evicted_unless_that_is_asked_for()
    {
        States.Refuse(Full(), "+2g.20gb").Reason.Should().Be(PlanRefusalReason.NoRoom);
        States.Refuse(Full(), "4g.40gb*2", new PlanOptions { EvictIdle = true }).Reason.Should().Be(PlanRefusalReason.NoRoom);
    }

    /// <summary>NVML has not shown yet what goes inside: the whole is certain, and so it is in the result.</summary>
    [Theory]
    [InlineData("+2g.20gb", "2g.20gb:4")]
    [InlineData("3g.40gb,4g.40gb/1c*2", "4g.40gb:0/1c/1c,3g.40gb:4")]
    [InlineData("1g.10gb/none", "1g.10gb:6/none")]
    [InlineData("2c.3g.40gb", "3g.40gb:4/2c")]
    public void The_result_of_a_plan_has_its_compute_instances(string spec, string result)
    {
        GpuGeometry unseen = new(SimulatedGeometries.Of(H100).Profiles.Select(p => p with { ComputeProfiles = null }));

        GpuSnapshot after = States.Plan(GpuSnapshot.Empty(unseen), spec).GetResult();

        after.ToString().Should().Be(result);
        States.Plan(after, result).IsEmpty.Should().BeTrue();
        States.Plan(after, "1g.10gb").DestroyedCount.Should().Be(after.Instances.Sum(i => 1 + i.ComputeInstances.Count)
            - (spec.StartsWith("1g", StringComparison.Ordinal) ? 1 : 0));
    }
}
