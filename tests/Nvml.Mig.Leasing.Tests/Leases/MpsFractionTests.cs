using System.Runtime.InteropServices;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;
using Nvml.Mig.Leasing.Scheduling;
using Nvml.Mig.Leasing.Tests.Mps;
using Nvml.Mig.Tests;
using Nvml.Mig.Tests.Monitoring;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>Parts of a MIG device or of a whole GPU by MPS, with the stand-in for its programs.</summary>
public sealed class MpsFractionTests : SharingMachine
{
    public MpsFractionTests()
        : base("H100-PCIE-80GB")
    {
    }

    [Fact]
    public async Task Four_quarters_share_a_whole_GPU()
    {
        LeaseManager manager = await OpenAsync();

        GrantedLease[] quarters = await ClaimAsync(manager, "a", "b", "c", "d");

        quarters.Select(q => q.Instances[0].MigUuid).Should().OnlyContain(uuid => uuid == Machine.Gpu.Uuid);
        quarters.Select(q => q.Fraction!.ComputeLimit).Should().OnlyContain(limit => limit == 25);
        quarters.Sum(q => q.Fraction!.MemoryRequestMiB).Should().BeLessThanOrEqualTo(Machine.Gpu.GetMemory().TotalBytes >> 20);
        Waiting fifth = (await manager.TryClaimAsync(Quarter("e"), LeaseHold.UntilReleased)).Waiting!;
        fifth.Message.Should().StartWith("shared-1 has no room for it: with the others, ").And.Contain("MiB are asked for");
    }

    [Fact]
    public async Task A_program_gets_its_part_and_no_more()
    {
        LeaseManager manager = await OpenAsync();
        GrantedLease quarter = (await ClaimAsync(manager, "a"))[0];

        MpsProgram program = Run(quarter, memoryMiB: 100_000);

        program.Server.Should().NotBe(0, "a program without MPS has no limits");
        program.Multiprocessors.Should().Be(32, "the stand-in has 132, and they come in pairs");
        program.GotMiB.Should().BeInRange(1, (int)quarter.Fraction!.MemoryLimitMiB!.Value);
    }

    [Fact]
    public async Task A_part_beside_a_server_that_starts_waits_for_it()
    {
        LeaseManager manager = await OpenAsync();
        Environment.SetEnvironmentVariable("MPS_STUB_START_MS", "3000"); // As the daemon inherits it.
        GrantedLease first = (await ClaimAsync(manager, "a"))[0];
        Environment.SetEnvironmentVariable("MPS_STUB_START_MS", null);
        MpsProgram program = Run(first, memoryMiB: 64);
        await Eventually.HoldsAsync(() => MpsHost.FindServersOf(Daemons()[0].Id).Should().NotBeEmpty());

        GrantedLease second = (await ClaimAsync(manager, "b"))[0];

        second.Fraction!.Device.Should().Be(first.Fraction!.Device);
    }

    [Fact]
    public async Task Parts_of_one_MIG_device_have_a_daemon_of_their_own()
    {
        Machine.Gpu.EnableMig();
        LeaseManager manager = await OpenAsync();
        Claim half = LeaseMachine.Want("a", "3g.40gb", uid: User) with { Fraction = new Fraction { Share = 0.5m } };

        GrantedLease first = await manager.ClaimAsync(half, LeaseHold.UntilReleased);
        GrantedLease second = await manager.ClaimAsync(half with { Id = "b" }, LeaseHold.UntilReleased);

        first.Environment["CUDA_MPS_PIPE_DIRECTORY"].Should().Contain(first.Instances[0].MigUuid);
        second.Instances[0].MigUuid.Should().Be(first.Instances[0].MigUuid);
        Machine.Describe().Should().ContainSingle();
    }

    [Fact]
    public async Task The_last_part_stops_the_daemon()
    {
        LeaseManager manager = await OpenAsync();
        await ClaimAsync(manager, "a", "b");
        await manager.ReleaseAsync("a");
        Daemons().Should().ContainSingle();

        await manager.ReleaseAsync("b");

        (await manager.ReadAsync()).Leases.Should().BeEmpty();
        Daemons().Should().BeEmpty();
        Directory.GetFileSystemEntries(Machine.MpsFolder).Should().BeEmpty();
    }

    [Fact]
    public async Task The_daemons_death_lets_no_program_in_unlimited()
    {
        LeaseManager manager = await OpenAsync();
        GrantedLease[] leases = await ClaimAsync(manager, "a", "b");
        HostProcess dead = Daemons()[0];

        await MpsMachine.KillAsync(dead);
        LeaseOverview overview = await manager.ReadAsync();

        overview.Leases.Where(l => l.Fraction is not null).Should().OnlyContain(l => l.Ending == null).And.HaveCount(2);
        Daemons().Should().ContainSingle().Which.Should().NotBe(dead);
        Run(leases[0], memoryMiB: 64).Multiprocessors.Should().Be(32);
        using LeaseReader reader = LeaseReader.Open(Machine.Options);
        reader.ReadEvents(0).Where(e => e.Kind == LeaseEventKind.Interrupted).Select(e => e.Lease).Should().Equal("a", "b");
    }

    [Fact]
    public async Task A_part_has_metrics_of_its_own()
    {
        LeaseManager manager = await OpenAsync();
        GrantedLease[] quarters = await ClaimAsync(manager, "a", "b");
        MpsProgram program = Run(quarters[0], memoryMiB: 64);
        using IDisposable use = Machine.Simulator.StartProcess(Machine.Gpu.Index, program.Id, "train", memoryMiB: 900);
        using LeaseReader reader = LeaseReader.Open(Machine.Options);
        using LeaseMetrics metrics = new(reader, session: Machine.Session);
        using MetricCollector collector = new();

        MetricCollector.Value[] values = [.. collector.Collect()];

        Value("memory.usage", "a").Should().Be(900 << 20);
        Value("memory.usage", "b").Should().Be(0);
        Value("memory.request", "a").Should().Be(quarters[0].Fraction!.MemoryRequestMiB << 20);
        Value("memory.limit", "b").Should().Be(quarters[1].Fraction!.MemoryLimitMiB << 20);
        Value("compute.request", "a").Should().Be(25);
        values.First(v => v.Name == "nvml.mig.fraction.compute.limit").Tags.Should().Contain(new Dictionary<string, string>
        {
            ["nvml.mig.fraction.device"] = quarters[0].Fraction!.Device,
            ["nvml.mig.queue"] = "default",
            ["hw.id"] = Machine.Gpu.Uuid,
        });

        double Value(string name, string lease) =>
            values.Single(v => v.Name == $"nvml.mig.fraction.{name}" && v.Tags["nvml.mig.lease.id"] == lease).Number;
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_refuses_the_part()
    {
        File.WriteAllText(Machine.MpsFolder, "no folder");
        LeaseManager manager = await OpenAsync();

        Func<Task> claim = () => manager.ClaimAsync(Quarter("a"), LeaseHold.UntilReleased);

        (await claim.Should().ThrowAsync<LeaseException>()).Which.Error.Should().Be(LeaseError.Impossible);
        File.Delete(Machine.MpsFolder);
        (await ClaimAsync(manager, "b")).Should().ContainSingle("nobody else is stopped by it");
    }

    [Theory]
    [InlineData(long.MaxValue, null)]
    [InlineData(1L << 31, null)]
    [InlineData(1024L, long.MaxValue)]
    [InlineData(-1L, null)]
    public async Task A_size_that_cannot_be_added_up_is_refused(long request, long? limit)
    {
        LeaseManager manager = await OpenAsync();
        Claim claim = Quarter("a") with { Fraction = new Fraction { MemoryRequestMiB = request, MemoryLimitMiB = limit } };

        Func<Task> ask = () => manager.ClaimAsync(claim, LeaseHold.UntilReleased);

        (await ask.Should().ThrowAsync<LeaseException>()).Which.Error.Should().Be(LeaseError.Invalid);
        (await manager.ReadAsync()).Waiting.Should().BeEmpty();
    }

    [Fact]
    public async Task Another_manager_adopts_the_daemon()
    {
        LeaseManager first = await OpenAsync();
        await ClaimAsync(first, "a");
        HostProcess daemon = Daemons()[0];

        LeaseManager second = await OpenAsync();
        await ClaimAsync(second, "b");

        Daemons().Should().Equal(daemon);
    }

    [Fact]
    public async Task Without_MPS_a_part_is_refused()
    {
        Environment.SetEnvironmentVariable(MpsOptions.ProgramVariable, "/nowhere/nvidia-cuda-mps-control");
        LeaseManager manager = await OpenAsync();

        Func<Task> claim = () => manager.ClaimAsync(Quarter("a"), LeaseHold.UntilReleased);

        LeaseException refused = (await claim.Should().ThrowAsync<LeaseException>()).Which;
        refused.Error.Should().Be(LeaseError.Impossible);
        refused.Message.Should().Contain("nvidia-cuda-mps-control");
        (await manager.ReadAsync()).Leases.Should().BeEmpty();
    }

    [Fact]
    public async Task A_GPU_that_strangers_use_is_not_shared()
    {
        using IDisposable stranger = Machine.Simulator.StartProcess(Machine.Gpu.Index, 4711, "train");
        LeaseManager manager = await OpenAsync();

        (await manager.TryClaimAsync(Quarter("a"), LeaseHold.UntilReleased)).Lease.Should().BeNull();
    }

    [Fact]
    public async Task A_GPU_on_which_nothing_may_run_is_refused()
    {
        SetComputeMode(ComputeMode.Prohibited);
        LeaseManager manager = await OpenAsync();

        Func<Task> claim = () => manager.ClaimAsync(Quarter("a"), LeaseHold.UntilReleased, TimeSpan.FromSeconds(10));

        (await claim.Should().ThrowAsync<LeaseException>())
            .WithMessage("*compute mode is Prohibited: no program can use it (nvidia-smi -c DEFAULT).*");
    }

    [Fact]
    public void What_a_machine_offers_is_by_its_GPUs()
    {
        SetComputeMode(ComputeMode.Prohibited);

        SharingOffer.Find([]).Should().OnlyContain(offer => offer.Problem == "There is no GPU.");
        SharingOffer.Find(Machine.Session.Devices).Select(offer => offer.Problem).Should().Equal(
            "GPU 0: Its compute mode is Prohibited: no program can use it (nvidia-smi -c DEFAULT).", "MIG is enabled on no GPU.");
        SetComputeMode(ComputeMode.Default);
        Machine.Gpu.EnableMig();
        SharingOffer.Find(Machine.Session.Devices).Should().OnlyContain(offer => offer.Problem == null);
    }

    [Fact]
    public async Task A_GPU_for_one_process_is_shared_by_MPS()
    {
        SetComputeMode(ComputeMode.ExclusiveProcess);
        LeaseManager manager = await OpenAsync();

        (await ClaimAsync(manager, "a", "b")).Should().OnlyContain(lease => lease.Fraction!.Backend == SharingBackend.Mps);
    }

    [Fact]
    public async Task Whole_GPUs_are_leased_only_where_asked_for()
    {
        LeaseManager manager = await Machine.OpenAsync();

        Func<Task> claim = () => manager.ClaimAsync(Quarter("a"), LeaseHold.UntilReleased, TimeSpan.Zero);

        (await claim.Should().ThrowAsync<LeaseException>()).WithMessage("*nvmig lease policy --whole-gpus true*");
    }

    /// <summary>As <c>nvidia-smi -c</c> does.</summary>
    private unsafe void SetComputeMode(ComputeMode mode)
    {
        nint library = NativeLibrary.Load(Machine.Simulator.LibraryPath);
        nint device;
        var find = (delegate* unmanaged<uint, nint*, int>)NativeLibrary.GetExport(library, "nvmlDeviceGetHandleByIndex_v2");
        var set = (delegate* unmanaged<nint, ComputeMode, int>)NativeLibrary.GetExport(library, "nvmlDeviceSetComputeMode");
        find((uint)Machine.Gpu.Index, &device).Should().Be(0);
        set(device, mode).Should().Be(0);
    }
}
