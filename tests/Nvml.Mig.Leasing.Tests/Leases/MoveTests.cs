using Nvml.Mig.Leasing.Scheduling;
using static Nvml.Mig.Leasing.Tests.Leases.LeaseMachine;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>Instances of restartable leases that are made again elsewhere, so that a large one has room.</summary>
public class MoveTests
{
    [Fact]
    public async Task A_restartable_lease_makes_room()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await ScatterAsync(machine);
        GrantedLease[] before = [.. (await manager.ReadAsync()).Leases];

        GrantedLease large = await ClaimLargeAsync(manager);

        GrantedLease[] after = [.. (await manager.ReadAsync()).Leases];
        after.Select(l => l.Id).Should().BeEquivalentTo([.. before.Select(l => l.Id), large.Id]);
        GrantedLease moved = after.Single(l => l.Id != large.Id && l.Generation > before.Max(b => b.Generation));
        moved.Lease.Instances[0].Should().NotBe(before.Single(l => l.Id == moved.Id).Lease.Instances[0]);
        await machine.CheckAsync(manager, "after a move");
    }

    [Fact]
    public async Task The_old_place_is_kept_while_it_is_used()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await ScatterAsync(machine);
        string[] leases = [.. (await manager.ReadAsync()).Leases.Select(l => l.Id)];
        IDisposable[] jobs = [.. machine.Gpu.GetMigDevices().Select((d, i) => machine.Simulator.StartProcess(d, 4711 + i, "python3"))];

        (GrantedLease? lease, Waiting? waiting) = await manager.TryClaimAsync(Large, LeaseHold.UntilReleased);

        lease.Should().BeNull(waiting?.Message);
        machine.Describe().Should().HaveCount(3);
        (await manager.ReadAsync()).Leases.Where(l => l.Ending is null).Select(l => l.Id).Should().BeEquivalentTo(leases);
        await machine.CheckAsync(manager, "while the old place is used");

        foreach (IDisposable job in jobs)
            job.Dispose();
        (await ClaimLargeAsync(manager)).Should().NotBeNull();
    }

    [Fact]
    public async Task A_move_is_told()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await ScatterAsync(machine);
        using CancellationTokenSource end = new(TimeSpan.FromSeconds(20));
        await using IAsyncEnumerator<LeaseEvent> events = manager.WatchAsync(end.Token).GetAsyncEnumerator(end.Token);
        ValueTask<bool> next = events.MoveNextAsync();

        await ClaimLargeAsync(manager);

        (await next).Should().BeTrue();
        events.Current.Kind.Should().Be(LeaseEventKind.Moved);
        (await manager.ReadAsync()).Leases.Select(l => l.Id).Should().Contain(events.Current.Lease);
    }

    private static Claim Large => Want("large", "3g.20gb", queue: "high");

    private static Task<GrantedLease> ClaimLargeAsync(LeaseManager manager) =>
        manager.ClaimAsync(Large, LeaseHold.UntilReleased, TimeSpan.FromSeconds(20));

    /// <summary>Two small restartable leases, one in each half of the GPU.</summary>
    private static async Task<LeaseManager> ScatterAsync(LeaseMachine machine)
    {
        LeaseManager manager = await machine.OpenAsync();
        await manager.SetQueueAsync(new LeaseQueue("high") { Quota = new Slices(7, 8) });
        string[] ids = ["c0", "c1", "c2", "c3", "c4", "c5", "c6"];
        foreach (string id in ids)
            await manager.ClaimAsync(Want(id, "1g.5gb", queue: "high") with { IsRestartable = true }, LeaseHold.UntilReleased);
        GrantedLease[] leases = [.. (await manager.ReadAsync()).Leases];
        foreach (GrantedLease lease in leases.Where(l => l.Instances[0].Place.Placement.Start is not (0 or 4)))
            await manager.ReleaseAsync(lease.Id);
        await manager.ClearAsync();
        return manager;
    }
}
