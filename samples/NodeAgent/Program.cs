using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nvml.Mig;
using Nvml.Mig.Hosting;
using Nvml.Mig.Leasing;
using Nvml.Mig.Simulator;

using NvmlSimulator simulator = NvmlSimulator.Start("H100-SXM5-80GB"); // On a machine with GPUs: AddNvmlMig().AddLeasing().
string folder = Directory.CreateTempSubdirectory().FullName;
HostApplicationBuilder builder = Host.CreateApplicationBuilder();
builder.Logging.ClearProviders();
builder.Services.AddNvmlMig(o => o.LibraryPath = simulator.LibraryPath).AddLeasing(o => o.JournalFolder = folder);
using IHost host = builder.Build();
NvmlSession session = host.Services.GetRequiredService<NvmlSession>();
GpuDevice gpu = session.Devices[0];
gpu.EnableMig();
GpuInstance old = gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("1g.10gb"), new Placement(0, 1));
old.CreateComputeInstance();
await host.StartAsync(); // From here on leases end when they are due, and instances with a fault are put aside.

// Queues; a lease on an instance that somebody else created; one that can be taken back; and one that it is taken back for.
LeaseManager leases = host.Services.GetRequiredService<LeaseManager>();
LeaseOwner ann = new(1000, "ann"), bob = new(1001, "bob");
await leases.SetPolicyAsync(new()); // No grace: what is taken back goes at once.
await leases.SetQueueAsync(new LeaseQueue("spare") { Quota = new Slices(0, 0) });
await leases.AdoptAsync(gpu.Uuid, old.Id, "old", LeaseOptions.DefaultQueue, ann, LeaseHold.UntilReleased);
Claim spare = new("spare", "spare", bob, [InstanceRequest.Of("3g.40gb")]) { IsPreemptible = true };
await leases.ClaimAsync(spare, LeaseHold.UntilReleased);
Claim train = new("train", LeaseOptions.DefaultQueue, ann, [InstanceRequest.Of(new InstanceNeed { MemoryMiB = 30_000 })]);
GrantedLease lease = await leases.ClaimAsync(train, LeaseHold.WhileThisProcessRuns);
Console.WriteLine((await leases.TryClaimAsync(spare with { Id = "again" }, LeaseHold.UntilReleased)).Waiting!.Message);

// Its job uses memory, and the memory below it has an error.
MigDevice device = session.GetMigDevice(lease.Instances[0].MigUuid);
using (simulator.StartProcess(device, Environment.ProcessId, "train", memoryMiB: 2048))
    Console.WriteLine($"{lease.Id} has {lease.Instances[0].Profile} and uses {device.GetMemory().UsedBytes >> 20} MiB of it");
simulator.RaiseXid(0, 94, device);
await foreach (LeaseEvent happened in leases.WatchAsync(after: 0))
{
    Console.WriteLine($"{happened.Kind}: {happened.Lease}");
    if (happened.Kind == LeaseEventKind.Quarantined)
        break;
}

await leases.ReleaseAsync(lease.Id);
Console.WriteLine($"destroyed {string.Join(", ", (await leases.ClearAsync()).Select(i => i.Profile))}");
await host.StopAsync();
Directory.Delete(folder, recursive: true);
