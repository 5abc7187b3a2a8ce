using static Nvml.Mig.Leasing.Tests.Leases.LeaseMachine;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>Leases that nobody makes use of. A queue says what happens to them.</summary>
public class IdleTests
{
    private static readonly TimeSpan IdleAfter = TimeSpan.FromMinutes(10);

    [Fact]
    public async Task A_lease_without_a_process_is_released()
    {
        using LeaseMachine machine = new("A100-SXM4-40GB");
        LeaseManager manager = await LeaseAsync(machine, "7g.40gb", IdlePolicy.Release);

        await LookAfterAsync(machine, manager, minutes: 0);
        await LookAfterAsync(machine, manager, minutes: 9);
        (await ReadAsync(manager)).Ending.Should().BeNull();
        await LookAfterAsync(machine, manager, minutes: 2);

        (await manager.ReadAsync()).Leases.Should().BeEmpty();
    }

    [Fact]
    public async Task A_lease_with_a_process_stays()
    {
        using LeaseMachine machine = new("A100-SXM4-40GB");
        LeaseManager manager = await LeaseAsync(machine, "7g.40gb", IdlePolicy.Release);
        using IDisposable job = machine.Simulator.StartProcess(machine.Gpu.GetMigDevice(0), 4711, "python3");

        for (int i = 0; i < 4; i++)
            await LookAfterAsync(machine, manager, minutes: 9);

        // An A100 does not measure what its instances do.
        (await ReadAsync(manager)).Should().Match<GrantedLease>(l => l.IdleSince == null && l.Ending == null);
    }

    [Fact]
    public async Task A_process_that_computes_nothing_is_idle()
    {
        using LeaseMachine machine = new("H100-SXM5-80GB");
        LeaseManager manager = await LeaseAsync(machine, "1g.10gb", IdlePolicy.Release);
        using IDisposable job = machine.Simulator.StartProcess(machine.Gpu.GetMigDevice(0), 4711, "notebook");
        machine.Simulator.SetActivity(0, 0, (await ReadAsync(manager)).Instances[0].GpuInstanceId);

        await LookAfterAsync(machine, manager, minutes: 1);
        DateTimeOffset start = machine.Clock.GetUtcNow();
        await LookAfterAsync(machine, manager, minutes: 5);
        (await ReadAsync(manager)).IdleSince.Should().BeCloseTo(start, TimeSpan.FromSeconds(20));
        await LookAfterAsync(machine, manager, minutes: 6);

        // Its process still has the instance: nobody else gets it.
        GrantedLease lease = await ReadAsync(manager);
        lease.Ending!.Reason.Should().Be(LeaseEndReason.Idle);
        lease.Ending.Message.Should().Contain("computed anything");
    }

    [Fact]
    public async Task Activity_between_two_looks_counts()
    {
        using LeaseMachine machine = new("H100-SXM5-80GB");
        LeaseManager manager = await LeaseAsync(machine, "1g.10gb", IdlePolicy.Release);
        using IDisposable job = machine.Simulator.StartProcess(machine.Gpu.GetMigDevice(0), 4711, "notebook");
        int instance = (await ReadAsync(manager)).Instances[0].GpuInstanceId;
        foreach (int percent in (int[])[0, 0, 60, 0, 0])
        {
            machine.Simulator.SetActivity(0, percent, instance);
            await LookAfterAsync(machine, manager, minutes: 4);
        }

        GrantedLease lease = await ReadAsync(manager);
        lease.Ending.Should().BeNull();
        lease.IdleSince.Should().BeCloseTo(machine.Clock.GetUtcNow() - TimeSpan.FromMinutes(4), TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Another_process_does_not_know_what_was_measured()
    {
        using LeaseMachine machine = new("H100-SXM5-80GB");
        LeaseManager manager = await LeaseAsync(machine, "1g.10gb", IdlePolicy.Release);
        using IDisposable job = machine.Simulator.StartProcess(machine.Gpu.GetMigDevice(0), 4711, "notebook");
        machine.Simulator.SetActivity(0, 0, (await ReadAsync(manager)).Instances[0].GpuInstanceId);
        await LookAfterAsync(machine, manager, minutes: 1);
        await LookAfterAsync(machine, manager, minutes: 5);
        (await ReadAsync(manager)).IdleSince.Should().NotBeNull();
        machine.Clock.Advance(TimeSpan.FromMinutes(30));

        LeaseManager other = await machine.OpenAsync();

        (await ReadAsync(other)).Should().Match<GrantedLease>(l => l.IdleSince == null && l.Ending == null);
    }

    [Fact]
    public async Task An_idle_lease_can_be_taken_back()
    {
        using LeaseMachine machine = new("A100-SXM4-40GB");
        LeaseManager manager = await LeaseAsync(machine, "7g.40gb", IdlePolicy.Reclaimable);
        await manager.SetQueueAsync(new LeaseQueue("high") { Quota = new Slices(7, 8) });
        await LookAfterAsync(machine, manager, minutes: 0);
        (await manager.TryClaimAsync(Want("early", "1g.5gb", queue: "high"), LeaseHold.UntilReleased)).Lease.Should().BeNull();

        machine.Clock.Advance(IdleAfter);

        (await manager.ClaimAsync(Want("late", "1g.5gb", queue: "high"), LeaseHold.UntilReleased)).Should().NotBeNull();
        (await manager.ReadAsync()).Leases.Should().ContainSingle();
    }

    /// <summary>A machine with one lease, not preemptible, of a queue that has nothing of its own.</summary>
    private static async Task<LeaseManager> LeaseAsync(LeaseMachine machine, string profile, IdlePolicy policy)
    {
        LeaseManager manager = await machine.OpenAsync();
        LeaseQueue queue = new("low") { Quota = new Slices(7, 8), Idle = policy, IdleAfter = IdleAfter };
        await manager.SetQueueAsync(queue);
        await manager.ClaimAsync(Want("train", profile, queue: "low"), LeaseHold.UntilReleased);
        if (policy == IdlePolicy.Reclaimable)
            await manager.SetQueueAsync(queue with { Quota = new Slices(0, 0) });
        return manager;
    }

    private static async Task LookAfterAsync(LeaseMachine machine, LeaseManager manager, int minutes)
    {
        machine.Clock.Advance(TimeSpan.FromMinutes(minutes));
        await manager.ReadAsync();
    }

    private static async Task<GrantedLease> ReadAsync(LeaseManager manager) => (await manager.ReadAsync()).Leases.Single();
}
