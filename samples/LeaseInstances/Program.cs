using Nvml.Mig;
using Nvml.Mig.Leasing;
using Nvml.Mig.Simulator;

// On a machine with GPUs: NvmlSession.Open(), and no journal folder. A simulated one for tests, and for the first five minutes:
using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB");
using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
session.Devices[0].EnableMig();
LeaseOptions options = new() { JournalFolder = Directory.CreateTempSubdirectory().FullName };
using LeaseManager manager = await LeaseManager.OpenAsync(session, options);

// The smallest instance with at least 8 GiB is leased for as long as this process runs.
Claim train = new("train", LeaseOptions.DefaultQueue, new LeaseOwner(1000), [InstanceRequest.Of(new InstanceNeed { MemoryMiB = 8192 })]);
GrantedLease first = await manager.ClaimAsync(train, LeaseHold.WhileThisProcessRuns);
Console.WriteLine($"{first.Id} has {first.Instances[0].Profile}: CUDA_VISIBLE_DEVICES={first.Environment["CUDA_VISIBLE_DEVICES"]}");

// The instance stays for the next one, who gets it without a change of the GPU.
await manager.ReleaseAsync(first.Id);
GrantedLease second = await manager.ClaimAsync(train with { Id = "again" }, new LeaseHold(Duration: TimeSpan.FromHours(1)));
Console.WriteLine($"{second.Id} has the same: {second.Instances[0].MigUuid == first.Instances[0].MigUuid}, generation {second.Generation}");

(_, Nvml.Mig.Leasing.Scheduling.Waiting? waiting) = await manager.TryClaimAsync(
    new Claim("all", LeaseOptions.DefaultQueue, new LeaseOwner(1001), [InstanceRequest.Of("7g.40gb")]), LeaseHold.UntilReleased);
Console.WriteLine($"{waiting!.Claim.Id} would wait: {waiting.Message}");
Directory.Delete(options.JournalFolder, recursive: true);
