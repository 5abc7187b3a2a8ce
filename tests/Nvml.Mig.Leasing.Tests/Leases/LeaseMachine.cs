using System.Diagnostics;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Scheduling;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>A simulated machine with MIG enabled, its journal folder, and managers on it.</summary>
internal sealed class LeaseMachine : IDisposable
{
    private readonly List<IDisposable> _opened = [];
    private readonly List<Process> _programs = [];
    private readonly bool _isShared;
    private readonly string _folder;

    /// <summary>A machine of its own, or with a folder one that other processes share, and that stays.</summary>
    public LeaseMachine(string gpus = "A100-SXM4-40GB", string? folder = null, bool hasMig = true)
    {
        _isShared = folder is not null;
        _folder = folder ?? Directory.CreateTempSubdirectory("nvml-mig-leases-").FullName;
        Simulator = NvmlSimulator.Start(gpus, folder is null ? null : Path.Combine(folder, "machine"));
        Session = NvmlSession.Open(Simulator.LibraryPath);
        foreach (GpuDevice gpu in Session.Devices.Where(g => hasMig && g.TryGetMigMode() is { Current: false }))
            gpu.EnableMig();
    }

    public NvmlSimulator Simulator { get; }

    public NvmlSession Session { get; }

    public GpuDevice Gpu => Session.Devices[0];

    public string JournalFolder => Path.Combine(_folder, "journal");

    public Clock Clock { get; } = new();

    public LeaseOptions Options => new() { JournalFolder = JournalFolder, TimeProvider = Clock, MpsFolder = MpsFolder };

    public string MpsFolder => Path.Combine(_folder, "mps");

    /// <summary>A manager whose leases that are taken back must be gone at once.</summary>
    public async Task<LeaseManager> OpenAsync(LeaseOptions? options = null)
    {
        LeaseManager manager = await LeaseManager.OpenAsync(Session, options ?? Options);
        _opened.Add(manager);
        await manager.SetPolicyAsync(new SchedulerOptions());
        return manager;
    }

    /// <summary>A program that does nothing, as long as it is not ended.</summary>
    public HostProcess StartProgram()
    {
        Process program = Process.Start("sleep", "600");
        _programs.Add(program);
        return HostProcess.Find(program.Id)!.Value;
    }

    public void EndProgram(HostProcess program)
    {
        Process process = _programs.Find(p => p.Id == program.Id)!;
        process.Kill();
        process.WaitForExit();
    }

    public static Claim Want(string id, string profile, int count = 1, string queue = LeaseOptions.DefaultQueue, uint uid = 1000) =>
        new(id, queue, new LeaseOwner(uid), [InstanceRequest.Of(profile, count)]);

    /// <summary>The instances of all GPUs: <c>0: 3g.20gb at 4:4</c>.</summary>
    public string[] Describe() => [.. Session.Devices.SelectMany(gpu => gpu.GetGpuInstances()
        .OrderBy(i => i.Placement.Start)
        .Select(i => $"{gpu.Index}: {i.Profile.Name} at {i.Placement}"))];

    /// <summary>The book and the machine are equal: each lease is whole, and every instance is leased, cached or a stranger's.</summary>
    public async Task CheckAsync(LeaseManager manager, string because)
    {
        LeaseOverview overview = await manager.ReadAsync();
        InstancePlace[] leased = [.. overview.Leases.Where(l => l.Fraction is null).SelectMany(l => l.Lease.Instances)];
        foreach (GrantedLease lease in overview.Leases)
            lease.Instances.Select(i => i.Place).Should().Equal(lease.Lease.Instances, because);
        InstancePlace[] known = [.. leased, .. overview.Gpus.SelectMany(g => g.Idle.Select(i => i.Place).Concat(g.Foreign))];
        InstancePlace[] there = [.. Session.Devices.SelectMany(
            gpu => gpu.GetGpuInstances().Select(i => new InstancePlace(gpu.Uuid, i.Profile.Id, i.Placement)))];
        known.Should().OnlyHaveUniqueItems(because).And.BeEquivalentTo(there, because);
        foreach (InstancePlace place in known)
            known.Should().NotContain(o => o != place && o.Gpu == place.Gpu && o.Placement.Overlaps(place.Placement), because);
        foreach (LeasedInstance instance in overview.Leases.Where(l => l.Shared is null).SelectMany(l => l.Instances))
        {
            MigDevice device = Session.GetMigDevice(instance.MigUuid);
            (device.GpuInstanceId, device.ComputeInstanceId).Should().Be((instance.GpuInstanceId, instance.ComputeInstanceId), because);
        }

        foreach (GrantedLease shared in overview.Leases.Where(l => l.Shared?.Backend == SharingBackend.ComputeInstances))
        {
            Session.GetDevice(shared.Instances[0].Place.Gpu).GetGpuInstance(shared.Instances[0].GpuInstanceId).GetComputeInstances()
                .Select(c => c.Id).Should().BeEquivalentTo(
                    overview.Leases.Where(l => l.Fraction?.Device == shared.Id).Select(l => l.Instances[0].ComputeInstanceId), because);
        }
    }

    /// <summary>How many calls change the machine, and how many reach the driver in all.</summary>
    public (long Changes, long All) CountCalls() =>
    (
        ((string[])["nvmlDeviceCreateGpuInstance", "nvmlDeviceCreateGpuInstanceWithPlacement", "nvmlGpuInstanceDestroy",
            "nvmlGpuInstanceCreateComputeInstance", "nvmlGpuInstanceCreateComputeInstanceWithPlacement", "nvmlComputeInstanceDestroy",
            "nvmlDeviceSetMigMode"]).Sum(f => Simulator.GetCallCount(f)),
        Simulator.GetCallCount());

    public void Dispose()
    {
        foreach (IDisposable opened in _opened)
            opened.Dispose();
        Session.Dispose();
        Simulator.Dispose();
        foreach (Process program in _programs)
        {
            program.Kill();
            program.Dispose();
        }

        if (!_isShared)
            Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>A clock that is put forward by hand, beside running itself.</summary>
internal sealed class Clock : TimeProvider
{
    private TimeSpan _ahead;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + _ahead;

    public void Advance(TimeSpan time) => _ahead += time;
}
