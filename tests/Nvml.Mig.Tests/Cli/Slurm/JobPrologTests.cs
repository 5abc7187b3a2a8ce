using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.Slurm;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Tests.Cli.Slurm;

/// <summary>Slurm's prolog and epilog on a simulated machine, with Slurm's programs pretended.</summary>
public sealed class JobPrologTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeSlurm _slurm = new();
    private readonly NvmlSimulator _simulator = NvmlSimulator.Start("A100-SXM4-40GB,H100-SXM5-80GB,A30");
    private readonly NvmlSession _session;
    private readonly OwnLeases _leases;

    public JobPrologTests()
    {
        _session = NvmlSession.Open(_simulator.LibraryPath);
        foreach (GpuDevice gpu in _session.Devices)
            gpu.EnableMig();
        LeaseManager manager = LeaseManager.OpenAsync(_session, new LeaseOptions { JournalFolder = _folder.File("journal") })
            .GetAwaiter().GetResult();
        _leases = new OwnLeases(_session, manager, () => MigMinors.Known);
    }

    private string EnvironmentFile => _folder.File("env/12.env");

    public void Dispose()
    {
        _leases.Dispose();
        _session.Dispose();
        _simulator.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_job_gets_a_lease_and_its_variables()
    {
        SlurmJobDocument result = await BeginAsync();

        result.Outcome.Should().Be(SlurmOutcome.Leased);
        LeaseEntry lease = (await ReadAsync()).Should().ContainSingle().Which;
        (lease.Id, lease.Uid, lease.Label, lease.Instances[0].Profile).Should().Be(("slurm-12", 1000, "slurm:12", "2g.12gb"));
        File.ReadLines(EnvironmentFile).Should().Contain($"export CUDA_VISIBLE_DEVICES={lease.Instances[0].MigUuid}")
            .And.Contain("export NVMIG_LEASE=slurm-12");
        File.GetUnixFileMode(EnvironmentFile).Should().Be(UnixFileMode.UserRead);
        _slurm.Changes.Should().BeEmpty();
    }

    [Fact]
    public async Task A_job_without_slices_is_left_alone()
    {
        _slurm.Gres = "gres:gpu:1";

        (await BeginAsync()).Outcome.Should().Be(SlurmOutcome.Nothing);

        File.Exists(EnvironmentFile).Should().BeFalse("its epilog has nothing to ask for");
        (await ReadAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task The_same_prolog_again_finds_the_lease()
    {
        long generation = (await BeginAsync()).Leases[0].Generation;

        (await BeginAsync()).Leases[0].Generation.Should().Be(generation);
    }

    [Fact]
    public async Task The_epilog_can_be_repeated()
    {
        await BeginAsync();

        (await EndAsync()).Outcome.Should().Be(SlurmOutcome.Released);
        (await EndAsync()).Outcome.Should().Be(SlurmOutcome.Nothing);

        (await ReadAsync()).Should().BeEmpty();
        File.Exists(EnvironmentFile).Should().BeFalse();
    }

    [Fact]
    public async Task A_run_that_is_over_has_a_mark_until_the_next()
    {
        JobFile file = new(_folder.File("env"), FakeSlurm.Job, _slurm.RunAsync);
        await BeginAsync();
        file.IsOver.Should().BeFalse();

        await EndAsync();
        file.IsOver.Should().BeTrue("the next run needs a prolog");
        await BeginAsync();
        file.IsOver.Should().BeFalse("it had one");
        await EndAsync();
        _slurm.Gres = "gres:gpu:1";
        await BeginAsync();
        file.IsOver.Should().BeFalse("it wants no lease any more");
    }

    [Fact]
    public async Task A_job_that_is_started_again_does_not_wait_for_its_old_lease()
    {
        LeaseEntry first = (await BeginAsync()).Leases[0];
        using (_simulator.StartProcess(_session.GetMigDevice(first.Instances[0].MigUuid), 4711, "left behind"))
        {
            await EndAsync();
            (await ReadAsync()).Should().ContainSingle("a process outlives the job").Which.Ending.Should().NotBeNull();
            _slurm.Restarts = 1;

            SlurmJobDocument again = await BeginAsync();

            again.Leases[0].Id.Should().Be("slurm-12.1");
            again.Leases[0].Instances[0].MigUuid.Should().NotBe(first.Instances[0].MigUuid, "nothing is destroyed under a process");
        }

        (await ReadAsync()).Should().ContainSingle().Which.Id.Should().Be("slurm-12.1");
    }

    [Fact]
    public async Task What_died_with_the_node_is_released()
    {
        await ClaimAsync("slurm-3", "slurm:3");
        await ClaimAsync("slurm-4", "slurm:4");
        await ClaimAsync("notebook", "slurm:5");
        _slurm.Running = "12 RUNNING\n4 COMPLETING\n3 NODE_FAIL\n";

        await BeginAsync();

        (await ReadAsync()).Select(l => l.Id).Should().BeEquivalentTo("slurm-4", "notebook", "slurm-12");
    }

    [Fact]
    public async Task Nothing_is_released_while_Slurm_does_not_answer()
    {
        await ClaimAsync("slurm-3", "slurm:3");
        _slurm.Running = null;

        await BeginAsync();

        (await ReadAsync()).Select(l => l.Id).Should().BeEquivalentTo("slurm-3", "slurm-12");
    }

    [Fact]
    public async Task A_name_that_somebody_has_taken_is_left_to_him()
    {
        await ClaimAsync("slurm-12", "mine");

        (await BeginAsync()).Leases[0].Id.Should().Be("slurm-12+");
    }

    [Fact]
    public async Task A_job_for_which_there_is_no_place_is_requeued()
    {
        await ClaimAsync("all", null, "7g.40gb");
        (_slurm.Comment, _slurm.AdminComment, _slurm.Gres) = ("x; nvmig: 1g.5gb", "seen by ops", "gres:migslice:1");

        SlurmJobDocument result = await BeginAsync();

        result.Outcome.Should().Be(SlurmOutcome.Requeued);
        const string reason = "Claim slurm-12 cannot be granted now; it was number 1. There is no free place for 1g.5gb. "
            + "No lease can be taken back for it.";
        result.ToString().Should().Be($"job 12 is requeued: {reason}");
        _slurm.Changes.Should().Equal(
            $"scontrol update JobId=12 AdminComment=seen by ops; nvmig: {reason}", "scontrol requeue 12");
        File.Exists(EnvironmentFile).Should().BeFalse();
        new JobFile(_folder.File("env"), FakeSlurm.Job, _slurm.RunAsync).IsOver.Should().BeTrue();
    }

    [Fact]
    public async Task A_job_that_is_not_to_be_requeued_is_as_before_afterwards()
    {
        await ClaimAsync("all", null, "7g.40gb");
        (_slurm.Comment, _slurm.CanRequeue) = ("nvmig: 1g.5gb", false);

        (await BeginAsync()).Outcome.Should().Be(SlurmOutcome.Requeued);

        _slurm.Changes.Skip(1).Should().Equal(
            "scontrol update JobId=12 Requeue=1", "scontrol requeue 12", "scontrol update JobId=12 Requeue=0");
    }

    [Fact]
    public async Task An_interactive_job_is_told_and_cancelled()
    {
        (_slurm.Comment, _slurm.IsBatch) = ("nvmig: please", false);

        SlurmJobDocument result = await BeginAsync();

        result.Outcome.Should().Be(SlurmOutcome.Cancelled);
        _slurm.Changes.Skip(1).Should().Equal($"scontrol notify 12 nvmig: {result.Reason}", "scancel 12");
    }

    [Theory]
    [InlineData("COMPLETING")]
    [InlineData("CANCELLED")]
    public async Task A_job_that_is_being_cancelled_is_not_requeued(string state)
    {
        (_slurm.Comment, _slurm.State) = ("nvmig: please", state);

        (await BeginAsync()).Outcome.Should().Be(SlurmOutcome.Gone);

        _slurm.Changes.Should().BeEmpty("a requeue would start it again");
    }

    [Fact]
    public async Task A_job_that_cannot_be_requeued_is_cancelled()
    {
        (_slurm.Comment, _slurm.Failing) = ("nvmig: please", "scontrol requeue");

        (await BeginAsync()).Outcome.Should().Be(SlurmOutcome.Cancelled);

        _slurm.Changes.Last().Should().Be("scancel 12");
    }

    [Theory]
    [InlineData(5, "", "It gets 7g.*, which counts 7, and has asked for 5: ask with --gres=migslice:7.")]
    [InlineData(8, "", "This node can never grant it.*at most 7 compute slices: name several*")]
    [InlineData(1, "nvmig: 3g.20gb", "It gets 3g.20gb, which counts 3, and has asked for 1: ask with --gres=migslice:3.")]
    [InlineData(0, "nvmig: 1g.5gb", "It gets 1g.5gb, which counts 1, and has asked for 0: ask with --gres=migslice:1.")]
    [InlineData(7, "nvmig: 9g.90gb", "This node can never grant it. No GPU that the claim allows has 9g.90gb.")]
    [InlineData(8, "nvmig: 1g.5gb*8", "This node can never grant it. There is no free place for 1g.5gb*8.*")]
    [InlineData(14, "nvmig: 7g.40gb*2", "This node can never grant it.*")]
    [InlineData(2, "nvmig: 3g.20gb fraction=0.5", "It gets 0.5 of 3g.20gb, which counts 3, and has asked for 2*")]
    [InlineData(1, "nvmig: 3g.20gb fraction=0.5 mode=strict", "It gets 0.5, strict of 3g.20gb, which counts 2, and has asked for 1*")]
    [InlineData(1, "nvmig: fraction=0.25 mode=strict", "It gets 0.25, strict of gpu, which counts 2, and has asked for 1*")]
    public async Task What_others_would_pay_for_and_what_never_fits_is_held(int slices, string comment, string why)
    {
        (_slurm.Gres, _slurm.Comment) = ($"gres:migslice:{slices}", comment);

        SlurmJobDocument result = await BeginAsync();

        result.Outcome.Should().Be(SlurmOutcome.Held);
        result.Reason.Should().Match(why);
        _slurm.Changes.Last().Should().Be("scontrol requeuehold 12");
        (await ReadAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task A_need_goes_to_models_that_the_slices_cover()
    {
        // 12 GiB are a 3g.20gb on the A100, a 1g.20gb or 2g.20gb on the H100, and a 2g.12gb or 4g.24gb on the A30.
        (_slurm.Gres, _slurm.Comment) = ("gres:migslice:1", "nvmig: memory=12GiB");

        (await BeginAsync()).Leases[0].Instances[0].Profile.Should().Be("1g.20gb");
    }

    [Fact]
    public async Task A_queue_that_is_not_there_is_the_sites_fault()
    {
        Func<Task> begin = () => BeginAsync(queue: "nobody");

        await begin.Should().ThrowAsync<Nvml.Mig.Cli.Arguments.UsageException>().WithMessage("There is no queue nobody*default.");
        _slurm.Changes.Should().BeEmpty("the job is well, the node is not");
    }

    private async Task<SlurmJobDocument> BeginAsync(string queue = "default")
    {
        JobFile file = new(_folder.File("env"), FakeSlurm.Job, _slurm.RunAsync);
        JobProlog prolog = new(_slurm.Controller, file, "n1", queue, TimeSpan.Zero);
        return await prolog.BeginAsync(FakeSlurm.Job, default)
            ?? await prolog.LeaseAsync(_leases, _session.Devices, namesGpus: false, default);
    }

    private Task<SlurmJobDocument> EndAsync()
    {
        JobFile file = new(_folder.File("env"), FakeSlurm.Job, _slurm.RunAsync);
        return EpilogCommand.EndAsync(_leases, _slurm.Controller, file, "n1", FakeSlurm.Job, default);
    }

    private async Task<IReadOnlyList<LeaseEntry>> ReadAsync() => (await _leases.ReadAsync(usage: false, default)).Leases;

    private Task<LeaseEntry> ClaimAsync(string id, string? label, string profile = "1g.5gb") => _leases.ClaimAsync(
        new ClaimRequest { Id = id, Label = label, Requests = [new InstanceRequestEntry { Profile = profile }] },
        TimeSpan.Zero,
        _ => { },
        default);
}
