using Nvml.Mig.Cli.Slurm;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Tests.Cli.Slurm;

/// <summary>Reading of Slurm's jobs.</summary>
public class SlurmJobTests
{
    [Theory]
    [InlineData("gres:migslice:2", 2)]
    [InlineData("gres:migslice", 1)]
    [InlineData("gres:gpu:3,gres:migslice:2", 2)]
    [InlineData("gres/migslice=4", 4)]
    [InlineData("gres/migslice:a100:4", 4)]
    [InlineData("gres:gpu:migslice:3", 0)]
    [InlineData("N/A", 0)]
    public void Slices_are_counted_by_node(string gres, int slices) =>
        SlurmJob.Read(new FakeSlurm().Describe(12, "N/A", gres), 12)!.Slices.Should().Be(slices);

    [Fact]
    public void A_task_of_an_array_is_named_alone()
    {
        FakeSlurm slurm = new();
        string printed = slurm.Describe(13, "1", "gres:migslice:1") + slurm.Describe(12, "2", "gres:migslice:2");

        SlurmJob job = SlurmJob.Read(printed, 12)!;

        job.Name.Should().Be("12_2", "'scontrol requeue 12' would requeue all of the array");
        job.Slices.Should().Be(2);
        SlurmJob.Read(printed, 14).Should().BeNull();
    }

    [Fact]
    public void Slices_by_task_are_not_taken_for_slices_by_node() =>
        SlurmJob.Read(new FakeSlurm().Describe(12, "N/A", "N/A", "gres:migslice:2"), 12)!.CountedBy.Should().Be("task");

    [Fact]
    public async Task A_comment_is_asked_for_by_itself()
    {
        FakeSlurm slurm = new() { Comment = "a b\n12   migslice:7   nvmig: x=y" };
        SlurmJob job = await slurm.Controller.FindAsync(12, default);

        (await slurm.Controller.ReadCommentAsync(job, isAdmin: false, default)).Should().Be(slurm.Comment);

        slurm.Called.Should().HaveCount(2);
        slurm.Called[0].Should().NotContain("comment").And.NotContain("name", "a user could pretend to be another job");
    }

    [Theory]
    [InlineData("", "2 compute slices")]
    [InlineData("see ticket nvmig: 3g.20gb", "2 compute slices")]
    [InlineData("nvmig: 3g.20gb", "3g.20gb")]
    [InlineData("project=x; nvmig: 1g.10gb*2, 3g.20gb; more = text", "1g.10gb*2 3g.20gb")]
    [InlineData("nvmig: memory=12GiB", "12288 MiB")]
    [InlineData("nvmig: memory=4GiB compute=2 count=3", "4096 MiB, 2 compute slices*3")]
    [InlineData("nvmig: 1c.3g.20gb", "1c.3g.20gb")]
    [InlineData("nvmig: fraction=0.25 mode=strict", "gpu 0.25 Strict")]
    [InlineData("nvmig: 3g.20gb fraction=0.5", "3g.20gb 0.5 Fair")]
    public void A_request_is_read(string comment, string expected)
    {
        JobRequest request = JobRequest.Read(2, comment)!;

        IEnumerable<string> parts = request.Requests.Select(r =>
            r.Profile is { } profile && r.Count == 1 ? profile
            : r.Profile is not null ? InstanceRequest.Of(r.Profile, r.Count).ToString()
            : InstanceRequest.Of(new InstanceNeed { MemoryMiB = r.MemoryMiB, ComputeSlices = r.ComputeSlices }, r.Count).ToString());
        string part = request.Fraction is { } fraction ? FormattableString.Invariant($" {fraction.Share} {fraction.Mode}") : "";
        (string.Join(' ', parts) + part).Should().Be(expected);
    }

    [Theory]
    [InlineData("nvmig:", "it asks for nothing")]
    [InlineData("nvmig: please", "'please' is no profile")]
    [InlineData("nvmig: 3g.20gb*0", "'0' is no number")]
    [InlineData("nvmig: memory=much", "'much' is no size")]
    [InlineData("nvmig: size=2", "'size' is not known")]
    [InlineData("nvmig: compute=1 compute=2", "'compute' is there twice")]
    [InlineData("nvmig: 3g.20gb memory=4GiB", "instances are named or needed, not both")]
    [InlineData("nvmig: 3g.20gb count=2", "a count is with memory or compute")]
    [InlineData("nvmig: 3g.20gb mode=strict", "a mode is of a fraction")]
    [InlineData("nvmig: fraction=0.5 memory=4GiB", "a fraction is of one instance")]
    [InlineData("nvmig: 3g.20gb; nvmig: 7g.40gb", "more than once")]
    public void A_request_that_makes_no_sense_is_refused(string comment, string why) =>
        ((Func<JobRequest?>)(() => JobRequest.Read(7, comment))).Should().Throw<JobRefusedException>().WithMessage($"*{why}*");

    [Fact]
    public void A_job_that_asks_for_nothing_gets_nothing() => JobRequest.Read(0, "a comment = of its own").Should().BeNull();
}
