using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

public class MigMinorsTests
{
    [Fact]
    public void The_drivers_file_tells_every_number()
    {
        using FakeHost host = new();
        host.AddDriver();

        MigMinors minors = MigMinors.Read(host.Root);

        (minors.Config, minors.Monitor).Should().Be((1, 2));
        minors.GetGpuInstance(0, 1).Should().Be(12);
        minors.GetComputeInstance(0, 0, 2).Should().Be(6);
        minors.GetName(606).Should().Be("gpu4/gi7/access");
        minors.GetName(2).Should().Be("monitor");
    }

    [Fact]
    public void The_known_numbers_are_those_of_real_drivers()
    {
        // The user guide's file, a site's file, and the last line of an H200's (driver 580.159.04, 4322 lines).
        MigMinors.Known.GetGpuInstance(0, 0).Should().Be(3);
        MigMinors.Known.GetComputeInstance(0, 0, 0).Should().Be(4);
        MigMinors.Known.GetGpuInstance(4, 7).Should().Be(606);
        MigMinors.Known.GetComputeInstance(31, 14, 7).Should().Be(4322);
        MigMinors.Known.GetName(4323).Should().BeNull();
        for (int number = 1; number <= 4322; number++)
            MigMinors.Known.GetName(number).Should().NotBeNull();
    }

    [Fact]
    public void What_the_driver_has_no_number_for_has_none()
    {
        MigMinors minors = MigMinors.Read(new StringReader("config 1\n"));

        minors.Monitor.Should().BeNull();
        minors.GetGpuInstance(0, 0).Should().BeNull();
        minors.GetComputeInstance(0, 0, 0).Should().BeNull();
        minors.GetName(2).Should().BeNull();
    }

    [Fact]
    public void Capabilities_of_later_drivers_are_kept()
    {
        MigMinors minors = MigMinors.Read(new StringReader("config 7\nfabric-imex-mgmt 4323\n"));

        minors.Config.Should().Be(7);
        minors.GetName(4323).Should().Be("fabric-imex-mgmt");
    }

    [Theory]
    [InlineData("", "'' is not a name and a number, as in 'gpu0/gi1/access 12'")]
    [InlineData("gpu0/gi0/access", "'gpu0/gi0/access' is not a name and a number, as in 'gpu0/gi1/access 12'")]
    [InlineData("gpu0/gi0/access -3", "'gpu0/gi0/access -3' is not a name and a number, as in 'gpu0/gi1/access 12'")]
    [InlineData("gpu0/gi0/access 99999999999", "'gpu0/gi0/access 99999999999' is not a name and a number, as in 'gpu0/gi1/access 12'")]
    [InlineData("gpu0/gi0/access 3 4", "'gpu0/gi0/access 3 4' is not a name and a number, as in 'gpu0/gi1/access 12'")]
    [InlineData(" 3", "' 3' is not a name and a number, as in 'gpu0/gi1/access 12'")]
    [InlineData("config 3", "config has a number already, 1")]
    [InlineData("gpu0/gi0/access 2", "2 is the number of monitor already")]
    public void A_line_that_makes_no_sense_is_named(string line, string problem)
    {
        using FakeHost host = new();
        host.WriteFile(MigMinors.FilePath, $"config 1\nmonitor 2\n{line}\ngpu0/gi1/access 12\n");

        MigMinorsFormatException e = FluentActions.Invoking(() => MigMinors.Read(host.Root))
            .Should().Throw<MigMinorsFormatException>().Which;

        e.LineNumber.Should().Be(3);
        e.File.Should().Be(host.Root.Locate(MigMinors.FilePath));
        e.Message.Should().Be($"{e.File}, line 3: {problem}.");
    }

    [Fact]
    public void Without_the_driver_the_error_says_what_is_missing()
    {
        using FakeHost host = new();

        FluentActions.Invoking(() => MigMinors.Read(host.Root)).Should().Throw<FileNotFoundException>()
            .WithMessage($"There is no {host.Root}/proc/driver/nvidia-caps/mig-minors, *Load the driver*")
            .Which.FileName.Should().Be($"{host.Root}/proc/driver/nvidia-caps/mig-minors");
    }
}
