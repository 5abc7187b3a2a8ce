using System.Diagnostics;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

public class LayoutSpecTests
{
    [Theory]
    [InlineData("3g.20gb,1g.5gb*3")]
    [InlineData("9,19:0")]
    [InlineData("1c.3g.20gb*2")]
    [InlineData("3g.20gb:4/2c/1c:2,1g.5gb+me")]
    [InlineData("2g.20gb/7,2g.20gb/none")]
    [InlineData("+1g.5gb*2,-3g.20gb,-GI7,+3g.20gb:0/1c/1c")]
    [InlineData("none")]
    public void A_spec_reads_as_the_text_that_it_writes(string text)
    {
        LayoutSpec spec = LayoutSpec.Parse(text);

        spec.ToString().Should().Be(text);
        LayoutSpec.Parse(spec.ToString()).Should().Be(spec);
    }

    [Theory]
    [InlineData(" 3g.20gb , 1g.5gb * 3 ", "3g.20gb,1g.5gb*3")]
    [InlineData("9 : 4", "9:4")]
    [InlineData("3g.20gb/1c*2", "3g.20gb/1c/1c")]
    [InlineData("3g.20gb/1c.3g.20gb:1", "3g.20gb/1c.3g.20gb:1")]
    [InlineData("- gi7", "-GI7")]
    public void Space_and_counts_can_be_written_in_other_ways(string text, string same)
    {
        LayoutSpec.Parse(text).ToString().Should().Be(same);
    }

    [Theory]
    [InlineData("9,,19", PlanningError.UnreadableSpec, "")]
    [InlineData("9:x", PlanningError.UnreadableSpec, "9:x")]
    [InlineData("9:0:4", PlanningError.UnreadableSpec, "9:0:4")]
    [InlineData("3g.20gb,1g.5gb*0", PlanningError.InvalidCount, "1g.5gb*0")]
    [InlineData("1g.5gb*-2", PlanningError.InvalidCount, "1g.5gb*-2")]
    [InlineData("1g.5gb*5000", PlanningError.InvalidCount, "1g.5gb*5000")]
    [InlineData("19:0*2", PlanningError.Overlap, "19:0*2")]
    [InlineData("3g.20gb/1c:0*2", PlanningError.Overlap, "3g.20gb/1c:0*2")]
    [InlineData("3g.20gb,+1g.5gb", PlanningError.UnreadableSpec, "+1g.5gb")]
    [InlineData("1c.3g.20gb:4", PlanningError.UnreadableSpec, "1c.3g.20gb:4")]
    [InlineData("+1c.3g.20gb", PlanningError.UnreadableSpec, "+1c.3g.20gb")]
    [InlineData("-3g.20gb:4", PlanningError.UnreadableSpec, "-3g.20gb:4")]
    [InlineData("GI7", PlanningError.UnknownProfile, "GI7")]
    [InlineData("-GIx", PlanningError.UnreadableSpec, "-GIx")]
    [InlineData("3g.21gb", PlanningError.UnknownProfile, "3g.21gb")]
    [InlineData("9:1", PlanningError.InvalidPlacement, "9:1")]
    [InlineData("9:0,19:3", PlanningError.Overlap, "1g.5gb at 3:1")]
    [InlineData("3g.20gb/4c", PlanningError.UnknownProfile, "4c")]
    [InlineData("3g.20gb/2c:2", PlanningError.InvalidPlacement, "3g.20gb/2c:2")]
    [InlineData("3g.20gb/1c:0/1c:0", PlanningError.Overlap, "3g.20gb/1c:0/1c:0")]
    [InlineData("4g.20gb/2c:0/1c/1c:1", PlanningError.Overlap, "4g.20gb/2c:0/1c/1c:1")]
    [InlineData("-GI7", PlanningError.UnknownInstance, "GPU instance 7")]
    [InlineData("-1g.5gb", PlanningError.UnknownInstance, "1g.5gb")]
    public void Nonsense_is_refused_and_the_culprit_named(string text, PlanningError error, string culprit)
    {
        Action plan = () => Planner.TryPlan(States.Of(States.A100, "3g.20gb:0"), LayoutSpec.Parse(text), out _, out _);

        PlanningException thrown = plan.Should().Throw<PlanningException>().Which;
        (thrown.Error, thrown.Culprit).Should().Be((error, culprit));
        thrown.Message.Contains(culprit, StringComparison.Ordinal).Should().BeTrue(thrown.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData(",")]
    [InlineData("none,1g.5gb")]
    [InlineData("+none")]
    public void Nothing_is_asked_for_by_the_word_none_alone(string text)
    {
        GpuSnapshot full = States.Of(States.A100, "3g.20gb:0");

        FluentActions.Invoking(() => Planner.TryPlan(full, LayoutSpec.Parse(text), out _, out _)).Should().Throw<PlanningException>();
        States.Plan(full, " None ").Destroyed.Should().HaveCount(1);
    }

    /// <summary>Linear in the text, and not at all where no machine could hold it.</summary>
    [Theory]
    [InlineData("1g.5gb", 50_000, PlanningError.InvalidCount)]
    [InlineData("1g.5gb*1024", 2, PlanningError.InvalidCount)]
    [InlineData("+1g.5gb", 5_000_000, PlanningError.InvalidCount)]
    [InlineData("1g.5gb/1c*1024/1c", 1, PlanningError.InvalidCount)]
    [InlineData("1g.5gb", 1024, null)]
    [InlineData("3g.20gb/1c/1c", 1000, null)]
    [InlineData("1c.3g.20gb", 1000, null)]
    [InlineData("+1g.5gb", 1000, null)]
    public void A_long_spec_is_refused_early(string item, int count, PlanningError? error)
    {
        string text = string.Join(',', Enumerable.Repeat(item, count));
        if (count > 1024)
            FluentActions.Invoking(() => InstanceSpec.Parse(text.Replace(',', '/'))).Should().Throw<PlanningException>();
        GpuSnapshot full = States.Of(States.A100, "1g.5gb:0,3g.20gb:4");
        Stopwatch watch = Stopwatch.StartNew();

        PlanRefusal? refusal = null;
        Exception? thrown = Record.Exception(() => Planner.TryPlan(full, LayoutSpec.Parse(text), out _, out refusal));
        _ = (refusal?.Message, refusal?.Nearest, refusal?.Removal);

        (thrown as PlanningException)?.Error.Should().Be(error);
        (thrown is null).Should().Be(error is null).And.Be(refusal is not null);
        watch.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(10), "machines that test are busy");
    }

    [Fact]
    public void The_same_profile_can_be_named_in_many_ways()
    {
        GpuSnapshot empty = GpuSnapshot.Empty(SimulatedGeometries.Of(States.A100));

        string[] layouts = [.. new[] { "3g.20gb", "9", "MIG 3G.20GB", "3g.20gb/3c", "3g.20gb/3g.20gb", "3g.20gb/2", "3c.3g.20gb" }
            .Select(text => States.Plan(empty, text).GetResult().ToString())];

        layouts.Distinct().Should().Equal("3g.20gb:4");
    }

    [Fact]
    public void A_state_that_no_gpu_can_have_is_refused()
    {
        GpuGeometry geometry = SimulatedGeometries.Of(States.A100);
        GpuInstanceProfile small = geometry.GetProfile("1g.5gb").Profile;
        GpuInstanceProfile half = geometry.GetProfile("3g.20gb").Profile;
        GpuInstanceProfile media = geometry.GetProfile("1g.5gb+me").Profile;

        Refused(new GpuInstanceSnapshot(half, new Placement(2, 4))).Should().Be(PlanningError.InvalidPlacement);
        Refused(new GpuInstanceSnapshot(half, new Placement(-256, 4))).Should().Be(PlanningError.InvalidPlacement);
        Refused(new GpuInstanceSnapshot(half, new Placement(int.MaxValue - 3, 4))).Should().Be(PlanningError.InvalidPlacement);
        Refused(new(half, new Placement(0, 4)), new(small, new Placement(3, 1))).Should().Be(PlanningError.Overlap);
        Refused(new(media, new Placement(0, 1)), new(media, new Placement(1, 1))).Should().Be(PlanningError.ImpossibleState);
        Refused(new(small, new Placement(0, 1)) { Id = 7 }, new(small, new Placement(1, 1)) { Id = 7 }).Should()
            .Be(PlanningError.ImpossibleState);
        Refused(new GpuInstanceSnapshot(small with { Id = 77 }, new Placement(0, 1))).Should().Be(PlanningError.UnknownProfile);
        ComputeProfileGeometry one = geometry.GetProfile("3g.20gb").ComputeProfiles![0];
        Refused(
            new GpuInstanceSnapshot(half, new Placement(0, 4))
            {
                ComputeInstances = [new(one.Profile, new Placement(1, 1)), new(one.Profile, new Placement(1, 1))],
            })
            .Should().Be(PlanningError.Overlap);

        PlanningError Refused(params GpuInstanceSnapshot[] instances)
        {
            Action make = () => SnapshotTables.Of(GpuSnapshot.Of(geometry, instances));
            return make.Should().Throw<PlanningException>().Which.Error;
        }
    }

    [Fact]
    public void A_geometry_that_makes_no_sense_is_refused()
    {
        ProfileGeometry known = SimulatedGeometries.Of(States.A100).GetProfile("1g.5gb");

        foreach (ProfileGeometry[] profiles in (ProfileGeometry[][])[
            [known, known],
            [known with { Placements = [new Placement(-1, 1)] }],
            [known with { Placements = [new Placement(0, 1), new Placement(32, 1)] }]])
        {
            Action plan = () => Planner.CanPlan(GpuSnapshot.Empty(new GpuGeometry(profiles)), LayoutSpec.Parse("1g.5gb"));
            plan.Should().Throw<PlanningException>().Which.Error.Should().Be(PlanningError.InvalidGeometry);
        }
    }
}
