using Microsoft.Extensions.DependencyInjection;
using Nvml.Mig.Agent.Page;
using Nvml.Mig.Leasing;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Tests.Page;

/// <summary>Three H100 and one without MIG, shared by three queues, with programs that run.</summary>
internal static class SharedMachine
{
    public static async Task<AgentMachine> StartAsync()
    {
        AgentMachine machine = new("H100-SXM5-80GB*4");
        machine.Leases.Session.Devices[3].DisableMig();
        await machine.StartAgentAsync();
        LeaseManager leases = machine.Manager;
        await leases.SetQueueAsync(new LeaseQueue("research") { Quota = new Slices(14, 16), Weight = 2 });
        await leases.SetQueueAsync(new LeaseQueue("teaching") { Quota = new Slices(3, 4), Limit = new Slices(7, 8) });
        await leases.SetQueueAsync(new LeaseQueue("product") { Quota = new Slices(4, 4) });
        await ClaimAsync(machine, "train-llm", "research", "3g.40gb", 1001, "slurm:1234", 31_000, 92);
        await ClaimAsync(machine, "evaluate", "research", "4g.40gb", 1001, "slurm:1240", 12_500, 34);
        await ClaimAsync(machine, "api-blue", "product", "2g.20gb", 990, "k8s:api-blue-7", 17_800, 61);
        await ClaimAsync(machine, "notebook-ann", "teaching", "1g.10gb", 2001, null, 900, 0);
        await ClaimAsync(machine, "notebook-bob", "teaching", "1g.10gb", 2002, null, 2_300, 7);
        await ClaimAsync(machine, "pretrain", "research", "7g.80gb", 1003, "slurm:1301", 71_000, 98);
        machine.Services.GetRequiredService<GpuMonitor>().ListAgain();
        return machine;
    }

    /// <summary>Enters an hour of readings that could have been, up to the last one that was.</summary>
    public static void Remember(AgentMachine machine)
    {
        MachineReading last = machine.Services.GetRequiredService<GpuMonitor>().Read();
        UsageHistory usage = machine.Services.GetRequiredService<UsageHistory>();
        usage.Clear();
        for (int point = 180; point >= 0; point--)
        {
            double wave = 0.85 + (0.15 * Math.Sin(point / 9.0));
            usage.Add(last with
            {
                Time = last.Time - (point * UsageHistory.Interval),
                Gpus = [.. last.Gpus.Select(g => g with
                {
                    Instances = [.. g.Instances.Select(i => i with
                    {
                        Memory = i.Memory with { UsedBytes = (long)(i.Memory.UsedBytes * (point > 120 ? 0.4 : wave)) },
                        Activity = i.Activity is { Engine: { } engine } activity ? activity with { Engine = engine * wave } : null,
                    })],
                })],
            });
        }
    }

    private static async Task ClaimAsync(
        AgentMachine machine, string id, string queue, string profile, uint uid, string? label, int memoryMiB, int percent)
    {
        Claim claim = new(id, queue, new LeaseOwner(uid, label), [InstanceRequest.Of(profile)]);
        GrantedLease lease = await machine.Manager.ClaimAsync(claim, LeaseHold.UntilReleased);
        LeasedInstance instance = lease.Instances[0];
        MigDevice device = machine.Leases.Session.GetMigDevice(instance.MigUuid);
        machine.Leases.Simulator.StartProcess(device, Environment.ProcessId, id, memoryMiB: memoryMiB);
        machine.Leases.Simulator.SetActivity(device.Device.Index, percent, instance.GpuInstanceId);
    }
}
