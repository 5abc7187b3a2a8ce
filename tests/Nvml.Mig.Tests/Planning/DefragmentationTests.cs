using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

public class DefragmentationTests
{
    [Theory]
    [InlineData("", 0)]
    [InlineData("7g.40gb:0", 0)]
    [InlineData("1g.5gb:6", 0)] // where the driver puts the first 1g itself
    [InlineData("1g.5gb:0,1g.5gb:1,1g.5gb:2,1g.5gb:3,3g.20gb:4", 0)]
    public void Instances_that_stand_well_score_zero(string layout, double score)
    {
        Defragmentation.GetScore(States.Of(States.A100, layout)).Should().Be(score);
    }

    [Fact]
    public void The_score_rises_with_the_room_that_is_lost()
    {
        double[] scores = [
            .. new[] { "1g.5gb:4,1g.5gb:5", "1g.5gb:4,1g.5gb:6", "1g.5gb:0,1g.5gb:4" }
            .Select(layout => Defragmentation.GetScore(States.Of(States.A100, layout)))];

        scores.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
        scores.Should().OnlyContain(score => score >= 0 && score < 1);
    }

    [Fact]
    public void Room_is_opened_with_the_fewest_moves_and_they_are_named()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:0,1g.5gb:1,1g.5gb:5", 3);

        Defragmentation.TryOpen(state, "4g.20gb", out RoomOpening? opening, out _).Should().BeTrue();

        opening!.Moves.Select(m => m.ToString()).Should()
            .Equal("GPU instance 1 (1g.5gb at 0:1) to 4:1", "GPU instance 2 (1g.5gb at 1:1) to 6:1");
        opening.Drain.Should().BeEmpty();
        opening.Placement.Should().Be(new Placement(0, 4));
        opening.Steps.Select(s => s.Kind).Should().Equal(
            LayoutStepKind.DestroyComputeInstance,
            LayoutStepKind.DestroyGpuInstance,
            LayoutStepKind.DestroyComputeInstance,
            LayoutStepKind.DestroyGpuInstance,
            LayoutStepKind.CreateGpuInstance,
            LayoutStepKind.CreateComputeInstance,
            LayoutStepKind.CreateGpuInstance,
            LayoutStepKind.CreateComputeInstance);
    }

    [Fact]
    public void Instances_in_use_move_only_if_nothing_else_helps()
    {
        GpuSnapshot state = States.Of(States.A100, "1g.5gb:0,1g.5gb:4,1g.5gb:5", 1);

        Defragmentation.TryOpen(state, "3g.20gb", out RoomOpening? spared, out _).Should().BeTrue();
        Defragmentation.TryOpen(state, "4g.20gb", out RoomOpening? drained, out _).Should().BeTrue();

        spared!.Moves.Select(m => m.Instance).Should().Equal(state.Instances[1], state.Instances[2]);
        spared.Drain.Should().BeEmpty();
        drained!.Drain.Should().Equal(state.Instances[0]);
        drained.Drain[0].Users.Should().ContainSingle().Which.ProcessId.Should().Be(4711);
    }

    [Fact]
    public void Nothing_moves_where_there_is_room_or_can_be_none()
    {
        GpuSnapshot state = States.Of(States.A100, "3g.20gb:0");

        Defragmentation.TryOpen(state, "3g.20gb", out RoomOpening? opening, out _).Should().BeTrue();
        Defragmentation.TryOpen(state, "7g.40gb", out _, out PlanRefusal? refusal).Should().BeFalse();

        opening!.Moves.Should().BeEmpty();
        opening.Steps.Should().BeEmpty();
        opening.Placement.Should().Be(new Placement(4, 4));
        refusal!.Reason.Should().Be(PlanRefusalReason.NoRoom);
    }
}
