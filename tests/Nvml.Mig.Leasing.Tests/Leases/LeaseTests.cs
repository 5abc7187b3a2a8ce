using System.Text.Json;
using Nvml.Mig.Applying;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Leasing.Scheduling;
using Nvml.Mig.Tests;
using static Nvml.Mig.Leasing.Tests.Leases.LeaseMachine;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>Leases on a simulated machine: granted, ended, used again, taken back.</summary>
public class LeaseTests
{
    [Fact]
    public async Task A_claim_gets_an_instance_of_its_own()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();

        GrantedLease lease = await manager.ClaimAsync(Want("train", "3g.20gb"), LeaseHold.UntilReleased);

        machine.Describe().Should().Equal("0: 3g.20gb at 4:4");
        lease.Environment["CUDA_VISIBLE_DEVICES"].Should().Be(machine.Gpu.GetMigDevice(0).Uuid);
        lease.Generation.Should().Be(1);
        lease.Instances[0].CdiDevice.Should().Be($"nvidia.com/gpu={machine.Gpu.GetMigDevice(0).Uuid}");
    }

    [Fact]
    public async Task The_same_claim_again_is_the_same_lease()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();

        GrantedLease first = await manager.ClaimAsync(Want("train", "3g.20gb"), LeaseHold.UntilReleased);
        GrantedLease second = await manager.ClaimAsync(Want("train", "3g.20gb"), LeaseHold.UntilReleased);
        Func<Task> other = () => manager.ClaimAsync(Want("train", "1g.5gb"), LeaseHold.UntilReleased);

        second.Generation.Should().Be(first.Generation);
        (await other.Should().ThrowAsync<LeaseException>()).Which.Error.Should().Be(LeaseError.Invalid);
        machine.Describe().Should().HaveCount(1);
    }

    [Fact]
    public async Task A_second_look_leaves_the_claim_waiting()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("large", "7g.40gb"), LeaseHold.UntilReleased);
        Task<GrantedLease> first = manager.ClaimAsync(Want("train", "1g.5gb"), LeaseHold.UntilReleased);

        (await manager.TryClaimAsync(Want("train", "1g.5gb"), LeaseHold.UntilReleased)).Waiting.Should().NotBeNull();

        (await manager.ReadAsync()).Waiting.Should().ContainSingle();
        await manager.ReleaseAsync("large");
        (await first).Id.Should().Be("train");
    }

    [Fact]
    public async Task Only_the_owners_claim_is_withdrawn()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("large", "7g.40gb"), LeaseHold.UntilReleased);
        await manager.EnterAsync(Want("train", "1g.5gb", uid: 1000), LeaseHold.UntilReleased, TimeSpan.FromHours(1));

        await manager.WithdrawAsync("train", new LeaseOwner(1001));
        (await manager.ReadAsync()).Waiting.Should().ContainSingle();

        await manager.WithdrawAsync("train", new LeaseOwner(1000));
        (await manager.ReadAsync()).Waiting.Should().BeEmpty();
    }

    [Fact]
    public async Task A_claim_whose_process_has_died_keeps_its_place()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("large", "7g.40gb"), LeaseHold.UntilReleased);
        HostProcess program = machine.StartProgram();
        await manager.EnterAsync(Want("train", "7g.40gb"), new LeaseHold(program), TimeSpan.FromHours(1));
        await manager.EnterAsync(Want("next", "7g.40gb"), LeaseHold.UntilReleased, TimeSpan.FromHours(1));
        machine.EndProgram(program);

        Task<GrantedLease> again = manager.ClaimAsync(Want("train", "7g.40gb"), LeaseHold.UntilReleased);

        using LeaseStore store = LeaseStore.Open(machine.JournalFolder);
        // Not by the manager: its turn drops what the dead process wanted.
        await Eventually.HoldsAsync(() => JsonSerializer.Deserialize(store.Find("claim", "train")!, BookJson.Default.WaitingEntry)!
            .Waiter!.Value.IsRunning.Should().BeTrue());
        (await manager.ReadAsync()).Waiting.Select(w => w.Claim.Id).Should().Equal("train", "next");
        await manager.ReleaseAsync("large");
        (await again).Id.Should().Be("train");
    }

    [Fact]
    public async Task A_freed_instance_is_used_again_without_a_change()
    {
        using LeaseMachine machine = new("H100-SXM5-80GB*2");
        LeaseManager manager = await machine.OpenAsync();
        GrantedLease first = await manager.ClaimAsync(Want("first", "1g.10gb"), LeaseHold.UntilReleased);
        await manager.ReleaseAsync("first");

        (long changes, long all) = machine.CountCalls();
        GrantedLease second = await manager.ClaimAsync(Want("second", "1g.10gb"), LeaseHold.UntilReleased);
        (long changesNow, long allNow) = machine.CountCalls();

        second.Instances.Should().Equal(first.Instances);
        second.Generation.Should().BeGreaterThan(first.Generation);
        (changesNow - changes).Should().Be(0);
        (allNow - all).Should().BeLessThanOrEqualTo(20);
    }

    [Fact]
    public async Task Creating_takes_two_changes()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();

        (long changes, _) = machine.CountCalls();
        await manager.ClaimAsync(Want("train", "2g.10gb"), LeaseHold.UntilReleased);

        (machine.CountCalls().Changes - changes).Should().Be(2);
    }

    [Fact]
    public async Task Another_users_instance_is_made_anew()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("ann", "7g.40gb", uid: 1000), LeaseHold.UntilReleased);
        await manager.ReleaseAsync("ann");

        (long changes, _) = machine.CountCalls();
        await manager.ClaimAsync(Want("bob", "7g.40gb", uid: 1001), LeaseHold.UntilReleased);

        (machine.CountCalls().Changes - changes).Should().Be(4);
    }

    [Fact]
    public async Task A_lease_ends_with_its_process()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        HostProcess program = machine.StartProgram();
        await manager.ClaimAsync(Want("train", "7g.40gb"), new LeaseHold(program));
        (await manager.ReadAsync()).Leases.Should().ContainSingle();

        machine.EndProgram(program);

        (await manager.ReadAsync()).Leases.Should().BeEmpty();
        (await manager.ReadAsync()).Gpus[0].Idle.Should().ContainSingle();
    }

    [Fact]
    public async Task A_lease_ends_unless_it_is_renewed()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("train", "7g.40gb"), new LeaseHold(Duration: TimeSpan.FromHours(1)));

        machine.Clock.Advance(TimeSpan.FromMinutes(50));
        await manager.RenewAsync("train");
        machine.Clock.Advance(TimeSpan.FromMinutes(50));
        (await manager.ReadAsync()).Leases.Should().ContainSingle();
        machine.Clock.Advance(TimeSpan.FromMinutes(11));
        (await manager.ReadAsync()).Leases.Should().BeEmpty();
    }

    [Fact]
    public async Task What_is_used_is_not_free_yet()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("train", "7g.40gb"), LeaseHold.UntilReleased);
        IDisposable job = machine.Simulator.StartProcess(machine.Gpu.GetMigDevice(0), 4711, "python3");
        await manager.ReleaseAsync("train");

        (GrantedLease? lease, Waiting? waiting) = await manager.TryClaimAsync(Want("next", "1g.5gb"), LeaseHold.UntilReleased);

        lease.Should().BeNull();
        waiting!.Reason.Should().Be(WaitReason.Departure);
        (await manager.ReadAsync()).Leases.Single().Ending!.Reason.Should().Be(LeaseEndReason.Released);
        job.Dispose();
        (await manager.ClaimAsync(Want("next", "1g.5gb"), LeaseHold.UntilReleased)).Should().NotBeNull();
    }

    [Fact]
    public async Task A_gang_gets_all_or_none()
    {
        using LeaseMachine machine = new("A100-SXM4-40GB*2");
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("small", "4g.20gb"), LeaseHold.UntilReleased);

        (GrantedLease? none, _) = await manager.TryClaimAsync(Want("gang", "7g.40gb", count: 2), LeaseHold.UntilReleased);
        await manager.ReleaseAsync("small");
        GrantedLease both = await manager.ClaimAsync(Want("gang", "7g.40gb", count: 2), LeaseHold.UntilReleased);

        none.Should().BeNull();
        both.Instances.Select(i => i.Place.Gpu).Should().OnlyHaveUniqueItems().And.HaveCount(2);
    }

    [Fact]
    public async Task A_profile_that_no_GPU_has_is_not_waited_for()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();

        Func<Task> claim = () => manager.ClaimAsync(Want("train", "1g.10gb+gfx"), LeaseHold.UntilReleased);

        (await claim.Should().ThrowAsync<LeaseException>()).Which.Error.Should().Be(LeaseError.Impossible);
        (await manager.ReadAsync()).Waiting.Should().BeEmpty();
    }

    [Fact]
    public async Task Whoever_waits_is_served_when_room_comes()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        LeaseManager other = await machine.OpenAsync();
        await manager.ClaimAsync(Want("first", "7g.40gb"), LeaseHold.UntilReleased);

        Task<GrantedLease> waits = other.ClaimAsync(Want("second", "7g.40gb"), LeaseHold.UntilReleased);
        await Task.Delay(100);
        waits.IsCompleted.Should().BeFalse();
        await manager.ReleaseAsync("first");

        (await waits.WaitAsync(TimeSpan.FromSeconds(10))).Generation.Should().Be(2);
    }

    [Fact]
    public async Task A_queue_claims_its_quota_back()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.SetQueueAsync(new LeaseQueue("research") { Quota = new Slices(4, 4) });
        await manager.SetQueueAsync(new LeaseQueue("teaching") { Quota = new Slices(3, 4) });
        await manager.ClaimAsync(Want("a", "3g.20gb", queue: "research") with { IsPreemptible = true }, LeaseHold.UntilReleased);
        await manager.ClaimAsync(Want("b", "3g.20gb", queue: "research") with { IsPreemptible = true }, LeaseHold.UntilReleased);

        GrantedLease course = await manager.ClaimAsync(Want("course", "3g.20gb", queue: "teaching"), LeaseHold.UntilReleased);

        course.Should().NotBeNull();
        LeaseOverview after = await manager.ReadAsync();
        after.Leases.Select(l => l.Id).Should().HaveCount(2).And.Contain("course");
    }

    [Fact]
    public async Task A_process_that_may_be_ended_is_ended()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.SetQueueAsync(new LeaseQueue("low") { Quota = new Slices(0, 0) });
        await manager.SetQueueAsync(new LeaseQueue("high") { Quota = new Slices(7, 8) });
        HostProcess program = machine.StartProgram();
        await manager.ClaimAsync(
            Want("low", "7g.40gb", queue: "low") with { IsPreemptible = true }, new LeaseHold(program) { MayEndProcess = true });

        await manager.ClaimAsync(Want("high", "7g.40gb", queue: "high"), LeaseHold.UntilReleased, TimeSpan.FromSeconds(20));

        program.IsRunning.Should().BeFalse();
    }

    [Fact]
    public async Task An_apply_leaves_leased_instances_alone()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("train", "3g.20gb"), LeaseHold.UntilReleased);

        ApplyResult result = await LayoutApplier.ApplyAsync(
            [new GpuTarget(machine.Gpu, LayoutSpec.Parse("7g.40gb"))], new ApplyOptions { JournalFolder = machine.JournalFolder });

        result.Gpus[0].Outcome.Should().Be(ApplyOutcome.Refused);
        machine.Describe().Should().Equal("0: 3g.20gb at 4:4");
    }

    [Fact]
    public async Task A_strangers_instance_is_left_alone()
    {
        using LeaseMachine machine = new();
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("4g.20gb")).CreateComputeInstance();
        LeaseManager manager = await machine.OpenAsync();

        (GrantedLease? lease, _) = await manager.TryClaimAsync(Want("train", "7g.40gb"), LeaseHold.UntilReleased);

        lease.Should().BeNull();
        machine.Describe().Should().Equal("0: 4g.20gb at 0:4");
    }

    [Fact]
    public async Task A_strangers_instance_can_be_adopted()
    {
        using LeaseMachine machine = new();
        GpuInstance instance = machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("4g.20gb"));
        instance.CreateComputeInstance();
        LeaseManager manager = await machine.OpenAsync();

        GrantedLease lease = await manager.AdoptAsync(
            machine.Gpu.Uuid, instance.Id, "old", LeaseOptions.DefaultQueue, new LeaseOwner(1000), LeaseHold.UntilReleased);
        await manager.ReleaseAsync("old");
        GrantedLease next = await manager.ClaimAsync(Want("train", "4g.20gb"), LeaseHold.UntilReleased);

        next.Instances.Should().Equal(lease.Instances);
    }

    [Fact]
    public async Task A_reboot_ends_all_leases()
    {
        using LeaseMachine machine = new("H100-SXM5-80GB");
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("train", "3g.40gb"), LeaseHold.UntilReleased);

        machine.Simulator.Reboot();
        LeaseManager after = await machine.OpenAsync(machine.Options with { BootId = "another" });

        LeaseOverview overview = await after.ReadAsync();
        overview.Leases.Should().BeEmpty();
        overview.Gpus[0].Problem.Should().BeNull("MIG is enabled again");
        (await after.ClaimAsync(Want("train", "3g.40gb"), LeaseHold.UntilReleased)).Generation.Should().Be(2);
    }

    [Fact]
    public async Task A_lease_whose_instance_is_gone_is_lost()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        await manager.ClaimAsync(Want("train", "3g.20gb"), LeaseHold.UntilReleased);
        GpuInstance instance = machine.Gpu.GetGpuInstances().Single();
        instance.GetComputeInstances().Single().Destroy();
        instance.Destroy();

        machine.Clock.Advance(TimeSpan.FromMinutes(1));
        (await manager.TryClaimAsync(Want("next", "7g.40gb"), LeaseHold.UntilReleased)).Lease.Should().NotBeNull();

        (await manager.ReadAsync()).Leases.Select(l => l.Id).Should().Equal("next");
    }

    [Fact]
    public async Task What_happens_to_leases_can_be_watched()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        LeaseManager other = await machine.OpenAsync();
        using CancellationTokenSource enough = new(TimeSpan.FromSeconds(20));
        await using IAsyncEnumerator<LeaseEvent> events = manager.WatchAsync(enough.Token).GetAsyncEnumerator();
        ValueTask<bool> next = events.MoveNextAsync();
        await manager.ReadAsync(); // Returns after the watch has read where it begins.

        await other.ClaimAsync(Want("train", "3g.20gb"), new LeaseHold(Duration: TimeSpan.FromHours(1)));
        (await next).Should().BeTrue();
        (events.Current.Kind, events.Current.Lease).Should().Be((LeaseEventKind.Granted, "train"));
        machine.Clock.Advance(TimeSpan.FromHours(2));
        (await events.MoveNextAsync()).Should().BeTrue();
        (events.Current.Kind, events.Current.Lease, events.Current.Reason).Should().Be(
            (LeaseEventKind.Ended, "train", LeaseEndReason.Expired));
    }

    [Theory]
    [InlineData(94, 1)]
    [InlineData(95, 2)]
    [InlineData(13, 0)]
    public async Task An_Xid_error_puts_instances_aside(int xid, int count)
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        GrantedLease hit = await manager.ClaimAsync(Want("hit", "3g.20gb"), LeaseHold.UntilReleased);
        await manager.ClaimAsync(Want("beside", "3g.20gb"), LeaseHold.UntilReleased);
        using CancellationTokenSource end = new();
        Task watch = manager.WatchFaultsAsync(end.Token);

        machine.Simulator.RaiseXid(0, xid, machine.Session.GetMigDevice(hit.Instances[0].MigUuid));
        for (int looks = count == 0 ? 5 : 200; looks > 0 && (count == 0 || await CountAsync() != count); looks--)
            await Task.Delay(100);

        (await CountAsync()).Should().Be(count);
        await end.CancelAsync();
        await ((Func<Task>)(() => watch)).Should().ThrowAsync<OperationCanceledException>();

        async Task<int> CountAsync() => (await manager.ReadAsync()).Leases.Count(l => l.Instances[0].Quarantine is not null);
    }

    [Fact]
    public async Task An_instance_with_a_fault_goes_to_nobody()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        GrantedLease lease = await manager.ClaimAsync(Want("train", "7g.40gb"), LeaseHold.UntilReleased);

        await manager.QuarantineAsync(lease.Instances[0].Place, "Xid 94");
        await manager.ReleaseAsync("train");

        (await manager.TryClaimAsync(Want("next", "7g.40gb"), LeaseHold.UntilReleased)).Lease.Should().BeNull();
        (await manager.ClearAsync()).Should().ContainSingle();
        (await manager.TryClaimAsync(Want("next", "7g.40gb"), LeaseHold.UntilReleased)).Lease.Should().NotBeNull();
    }
}
