using Nvml.Mig.Applying;
using Nvml.Mig.Simulator;
using Nvml.Mig.Tests;
using static Nvml.Mig.Leasing.Tests.Leases.LeaseMachine;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>A change of a GPU that fails, or that a stranger makes, stops no turn: whoever claims must not suffer for it.</summary>
public class FailedChangeTests
{
    [Fact]
    public async Task An_eviction_that_fails_is_in_nobodys_way()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        LeaseManager other = await machine.OpenAsync();
        await manager.ClaimAsync(Want("large", "7g.40gb"), LeaseHold.UntilReleased);
        await manager.ReleaseAsync("large");
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlGpuInstanceDestroy", NvmlReturnCode.InUse));
        Task<GrantedLease>[] claims;
        // Both are decided in one turn: the first evicts the instance, and the second is to have what that leaves.
        using (await ChangeLock.TakeAsync(machine.JournalFolder, TimeSpan.FromSeconds(10)))
        {
            claims =
            [
                manager.ClaimAsync(Want("first", "4g.20gb", uid: 1001), LeaseHold.UntilReleased),
                other.ClaimAsync(Want("second", "3g.20gb", uid: 1001), LeaseHold.UntilReleased),
            ];
            using LeaseReader reader = LeaseReader.Open(machine.Options);
            await Eventually.HoldsAsync(() => reader.Read().Waiting.Should().HaveCount(2));
        }

        while (!Task.WhenAll(claims).IsCompleted)
        {
            machine.Clock.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(10);
        }

        (await Task.WhenAll(claims)).Should().HaveCount(2);
        machine.Describe().Should().Equal("0: 4g.20gb at 0:4", "0: 3g.20gb at 4:4");
    }

    [Fact]
    public async Task A_lost_instance_is_in_nobodys_way()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        GrantedLease lost = await manager.ClaimAsync(Want("lost", "2g.10gb", count: 2), LeaseHold.UntilReleased);
        MigDevice kept = machine.Session.GetMigDevice(lost.Instances[1].MigUuid);
        using IDisposable program = machine.Simulator.StartProcess(kept, Environment.ProcessId, "train", memoryMiB: 16);
        GpuInstance instance = machine.Gpu.GetGpuInstance(lost.Instances[0].GpuInstanceId);
        instance.GetComputeInstances().Single().Destroy();
        instance.CreateComputeInstance(instance.GetComputeInstanceProfiles()[0]);

        // Before a claim waits, the GPU is read again: the one instance is a stranger's by now, and the lease stays for the other.
        using LeaseManager later = await LeaseManager.OpenAsync(
            machine.Session, machine.Options with { ReadInterval = TimeSpan.Zero });
        (GrantedLease? large, _) = await later.TryClaimAsync(Want("large", "7g.40gb"), LeaseHold.UntilReleased);
        await later.ClaimAsync(Want("beside", "2g.10gb"), LeaseHold.UntilReleased);

        large.Should().BeNull();
        LeaseOverview overview = await later.ReadAsync();
        overview.Leases.Single(l => l.Id == "lost").Ending!.Reason.Should().Be(LeaseEndReason.Lost);
        overview.Gpus[0].Foreign.Should().Equal(lost.Instances[0].Place);
    }
}
