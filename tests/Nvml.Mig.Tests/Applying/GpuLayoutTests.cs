using Nvml.Mig.Applying;

namespace Nvml.Mig.Tests.Applying;

public class GpuLayoutTests
{
    [Fact]
    public void Layouts_that_say_the_same_are_equal()
    {
        GpuLayout one = Layout(new ComputeInstanceLayout(0, 0, "1c.3g.20gb", 1, new Placement(0, 1), null));

        one.Should().Be(Layout(new ComputeInstanceLayout(0, 0, "1c.3g.20gb", 1, new Placement(0, 1), null)));
        one.GetHashCode().Should().Be(Layout(new ComputeInstanceLayout(0, 0, "1c.3g.20gb", 1, new Placement(0, 1), null)).GetHashCode());
        one.Should().NotBe(Layout(new ComputeInstanceLayout(0, 0, "1c.3g.20gb", 1, new Placement(1, 1), null)));
        one.Should().NotBe(Layout());
    }

    private static GpuLayout Layout(params ComputeInstanceLayout[] inside) =>
        new(new MigMode(true, true), [new GpuInstanceLayout(2, 9, "3g.20gb", new Placement(4, 4), inside)]);
}
