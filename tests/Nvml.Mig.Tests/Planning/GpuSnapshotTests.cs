namespace Nvml.Mig.Tests.Planning;

public class GpuSnapshotTests
{
    [Fact]
    public void Snapshots_of_the_same_are_equal()
    {
        GpuSnapshot one = WithInside(new Placement(0, 1));

        one.Should().Be(WithInside(new Placement(0, 1)));
        one.GetHashCode().Should().Be(WithInside(new Placement(0, 1)).GetHashCode());
        one.Should().NotBe(WithInside(new Placement(1, 1)));
        one.Should().NotBe(WithInside());
    }

    private static GpuSnapshot WithInside(params Placement[] inside)
    {
        ProfileGeometry half = SimulatedGeometries.Of(States.A100).GetProfile("3g.20gb");
        return new(new MigMode(true, true), [new GpuInstanceSnapshot(half.Profile, new Placement(4, 4))
        {
            Id = 2,
            ComputeInstances = [.. inside.Select((at, i) => new ComputeInstanceSnapshot(half.ComputeProfiles![0].Profile, at) { Id = i })],
        }]);
    }
}
