using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing.Tests.Mps;

public class MpsBudgetTests
{
    [Fact]
    public void Contexts_and_the_server_count()
    {
        MpsBudget budget = new(143155);

        budget.UsableMiB.Should().Be(143089);
        budget.LargestMiB([]).Should().Be(142575);
        budget.LargestMiB([new MpsShare(70000)]).Should().Be(72061);
        budget.Fits([new MpsShare(70000), new MpsShare(72061)]).Should().BeTrue();
        budget.Fits([new MpsShare(70000), new MpsShare(72062)]).Should().BeFalse();
    }

    [Fact]
    public void Each_process_has_the_limit() =>
        new MpsBudget(10000).Fits([new MpsShare(3000, Processes: 3)]).Should().BeFalse("three times 3514 MiB");

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
