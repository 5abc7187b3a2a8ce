using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing.Tests.Mps;

public class MpsCapsTests
{
    [Theory]
    [InlineData(2500, "2500M", "2G")]
    [InlineData(1023, "1023M", "1023M")]
    [InlineData(1024, "1024M", "1G")]
    public void A_limit_reads_in_whole_gibibytes(int memory, string set, string read)
    {
        MpsCaps caps = new(25, memory);

        caps.MemoryText.Should().Be(set);
        caps.MemoryReadBack.Should().Be(read);
        caps.PercentageText.Should().Be("25.0");
    }

    [Theory]
    [InlineData(0, 4000)]
    [InlineData(130, 4000)]
    [InlineData(33.33, 4000)]
    [InlineData(50, 514)]
    public void What_mps_would_ignore_is_refused(double percentage, int memory) =>
        FluentActions.Invoking(() => new MpsCaps((decimal)percentage, memory).Check())
            .Should().Throw<MpsException>().Which.Problem.Should().Be(MpsProblem.Invalid);
}
