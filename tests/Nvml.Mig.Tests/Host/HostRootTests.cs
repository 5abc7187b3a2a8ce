using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

public class HostRootTests
{
    [Theory]
    [InlineData("/host", "/host/dev/nvidia0")]
    [InlineData("/host/", "/host/dev/nvidia0")]
    [InlineData("/", "/dev/nvidia0")]
    public void Files_of_the_host_are_found_under_its_root(string folder, string expected) =>
        new HostRoot(folder).Locate("/dev/nvidia0").Should().Be(expected);

    [Fact]
    public void Unless_told_otherwise_the_host_is_this_machine()
    {
        default(HostRoot).Should().Be(new HostRoot("/"));
        default(HostRoot).Folder.Should().Be("/");
        default(HostRoot).Locate("/dev/nvidia0").Should().Be("/dev/nvidia0");
    }

    [Theory]
    [InlineData("host")]
    [InlineData("./host")]
    [InlineData("")]
    public void A_root_that_depends_on_the_current_directory_is_refused(string folder) =>
        FluentActions.Invoking(() => new HostRoot(folder)).Should().Throw<ArgumentException>();

    [Fact]
    public void A_path_that_depends_on_the_current_directory_is_refused() =>
        FluentActions.Invoking(() => default(HostRoot).Locate("dev/nvidia0"))
            .Should().Throw<ArgumentException>().WithMessage("'dev/nvidia0' is not absolute*");
}
