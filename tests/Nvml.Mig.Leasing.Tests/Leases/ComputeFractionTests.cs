using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>Compute instances as fractions: <c>1c.3g.20gb</c>.</summary>
public class ComputeFractionTests
{
    [Fact]
    public async Task Fractions_of_one_user_share_a_GPU_instance()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();

        GrantedLease first = await manager.ClaimAsync(Part("first"), LeaseHold.UntilReleased);
        GrantedLease second = await manager.ClaimAsync(Part("second"), LeaseHold.UntilReleased);

        machine.Describe().Should().Equal("0: 3g.20gb at 4:4");
        second.Instances[0].GpuInstanceId.Should().Be(first.Instances[0].GpuInstanceId);
        second.Instances[0].MigUuid.Should().NotBe(first.Instances[0].MigUuid);
        second.Environment["CUDA_VISIBLE_DEVICES"].Should().Be(second.Instances[0].MigUuid);
        machine.Session.GetMigDevice(second.Instances[0].MigUuid).ComputeInstanceId.Should().Be(second.Instances[0].ComputeInstanceId);
    }

    [Fact]
    public async Task They_come_and_go_and_the_GPU_instance_stays()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        GrantedLease first = await manager.ClaimAsync(Part("first"), LeaseHold.UntilReleased);
        await manager.ClaimAsync(Part("second"), LeaseHold.UntilReleased);
        long created = machine.Simulator.GetCallCount("nvmlDeviceCreateGpuInstanceWithPlacement");

        await manager.ReleaseAsync("second");
        GrantedLease third = await manager.ClaimAsync(Part("third", slices: 2), LeaseHold.UntilReleased);

        third.Instances[0].GpuInstanceId.Should().Be(first.Instances[0].GpuInstanceId);
        machine.Simulator.GetCallCount("nvmlDeviceCreateGpuInstanceWithPlacement").Should().Be(created);
        machine.Simulator.GetCallCount("nvmlGpuInstanceDestroy").Should().Be(0);
        machine.Gpu.GetGpuInstance(first.Instances[0].GpuInstanceId).GetComputeInstances().Should().HaveCount(2);
    }

    [Fact]
    public async Task A_fraction_too_many_gets_another_device()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        foreach (string id in new[] { "a", "b", "c" })
            await manager.ClaimAsync(Part(id), LeaseHold.UntilReleased);

        await manager.ClaimAsync(Part("d"), LeaseHold.UntilReleased);

        machine.Describe().Should().Equal("0: 3g.20gb at 0:4", "0: 3g.20gb at 4:4");
    }

    [Fact]
    public async Task Users_do_not_share_a_device()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();

        await manager.ClaimAsync(Part("mine"), LeaseHold.UntilReleased);
        await manager.ClaimAsync(Part("theirs", uid: 1001), LeaseHold.UntilReleased);

        machine.Describe().Should().HaveCount(2);
    }

    [Fact]
    public async Task The_last_fraction_leaves_the_instance_cached()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Part("first"), LeaseHold.UntilReleased);

        await manager.ReleaseAsync("first");

        LeaseOverview overview = await manager.ReadAsync();
        overview.Leases.Should().BeEmpty();
        overview.Gpus[0].Idle.Should().ContainSingle().Which.Profile.Should().Be("3g.20gb");
        machine.Gpu.GetGpuInstances()[0].GetComputeInstances().Should().ContainSingle().Which.Profile.SliceCount.Should().Be(3);
        await machine.CheckAsync(manager, "the instance is whole again");
    }

    [Fact]
    public async Task Fractions_that_wait_wait_for_one_device()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(LeaseMachine.Want("large", "7g.40gb"), LeaseHold.UntilReleased);
        Task<GrantedLease>[] waiting = [.. new[] { "a", "b", "c" }.Select(id => manager.ClaimAsync(Part(id), LeaseHold.UntilReleased))];
        await Eventually.HoldsAsync(async () => (await manager.ReadAsync()).Waiting.Select(w => w.Position).Should().Equal(1, 2, 3));

        await manager.ReleaseAsync("large");

        await Task.WhenAll(waiting);
        machine.Describe().Should().ContainSingle();
    }

    [Fact]
    public async Task A_fraction_larger_than_its_device_is_refused()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();

        Func<Task> claim = () => manager.ClaimAsync(Part("large", slices: 4), LeaseHold.UntilReleased);

        LeaseException refused = (await claim.Should().ThrowAsync<LeaseException>()).Which;
        refused.Error.Should().Be(LeaseError.Impossible);
        refused.Message.Should().Contain("3g.20gb cannot be shared so: 4 compute slices are asked for, and it has 3.");
    }

    [Fact]
    public async Task A_size_that_no_profile_has_is_refused()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        Claim five = LeaseMachine.Want("five", "7g.40gb") with { Fraction = new Fraction { ComputeSlices = 5 } };

        Func<Task> claim = () => manager.ClaimAsync(five, LeaseHold.UntilReleased);

        (await claim.Should().ThrowAsync<LeaseException>()).Which.Message.Should().Contain("It has those of: 1, 2, 3, 4, 7.");
        (await manager.ClaimAsync(Part("other"), LeaseHold.UntilReleased)).Id.Should().Be("other", "nobody else is stopped by it");
    }

    [Fact]
    public async Task Parts_without_a_place_beside_others_get_a_device()
    {
        using LeaseMachine machine = new("A100-SXM4-40GB*2");
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("a", 3), LeaseHold.UntilReleased);
        await manager.ClaimAsync(Want("b", 1), LeaseHold.UntilReleased);
        await manager.ClaimAsync(Want("c", 1), LeaseHold.UntilReleased);
        await manager.ReleaseAsync("a");

        await manager.ClaimAsync(Want("d", 4), LeaseHold.UntilReleased).WaitAsync(TimeSpan.FromSeconds(20));

        machine.Describe().Should().HaveCount(2, "six of seven slices would do, and 4 have no place together");
        await machine.CheckAsync(manager, "each has its compute instance");

        static Claim Want(string id, int slices) =>
            LeaseMachine.Want(id, "7g.40gb") with { Fraction = new Fraction { ComputeSlices = slices } };
    }

    [Fact]
    public async Task A_device_whose_lease_never_came_is_one_again()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        GrantedLease old = await manager.ClaimAsync(LeaseMachine.Want("old", "3g.20gb"), LeaseHold.UntilReleased);
        await manager.ReleaseAsync("old");
        // As a process leaves it that dies after it has divided an instance.
        machine.Gpu.GetGpuInstance(old.Instances[0].GpuInstanceId).GetComputeInstance(old.Instances[0].ComputeInstanceId).Destroy();
        using (LeaseStore store = LeaseStore.Open(machine.JournalFolder))
        {
            Book book = new();
            store.Load(book);
            InstanceEntry entry = book.Instances.Single();
            book.Instances.Put(entry.Key, entry with { IsDivided = true, Stage = InstanceStage.Creating });
            store.Commit(book);
        }

        await manager.ClaimAsync(LeaseMachine.Want("new", "3g.20gb"), LeaseHold.UntilReleased).WaitAsync(TimeSpan.FromSeconds(20));

        machine.Simulator.GetCallCount("nvmlGpuInstanceDestroy").Should().Be(0);
        await machine.CheckAsync(manager, "it is whole");
    }

    [Fact]
    public async Task A_strangers_compute_instance_stays()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        GrantedLease first = await manager.ClaimAsync(Part("first"), LeaseHold.UntilReleased);
        GpuInstance shared = machine.Gpu.GetGpuInstance(first.Instances[0].GpuInstanceId);
        ComputeInstance strangers = shared.CreateComputeInstance(
            shared.GetComputeInstanceProfiles().First(p => p.SliceCount == 1));

        await manager.ClaimAsync(Part("second"), LeaseHold.UntilReleased);
        await manager.ClaimAsync(Part("third"), LeaseHold.UntilReleased);

        shared.GetComputeInstances().Select(c => c.Id).Should().Contain(strangers.Id);
        machine.Describe().Should().HaveCount(2, "the third has no slice left beside it");
    }

    [Fact]
    public async Task Memory_of_a_compute_instance_is_refused()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        Claim claim = Part("capped") with { Fraction = new Fraction { ComputeSlices = 1, MemoryLimitMiB = 4096 } };

        Func<Task> ask = () => manager.ClaimAsync(claim, LeaseHold.UntilReleased);

        (await ask.Should().ThrowAsync<LeaseException>()).Which.Message.Should().Contain("cannot hold memory");
    }

    private static Claim Part(string id, int slices = 1, uint uid = 1000) =>
        LeaseMachine.Want(id, "3g.20gb", uid: uid) with { Fraction = new Fraction { ComputeSlices = slices } };
}
