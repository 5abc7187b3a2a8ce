using System.Diagnostics;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Tests.Monitoring;

/// <summary>Readings of a machine, and what they cost.</summary>
public class GpuMonitorTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void A_reading_has_gpus_and_their_mig_devices()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        ComputeInstance compute = machine.Create("3g.71gb").CreateComputeInstance();
        using IDisposable job = machine.Simulator.StartProcess(compute.GetMigDevice(), 4711, "train", memoryMiB: 2048);
        using GpuMonitor monitor = new(machine.Session, time: _time);

        GpuReading gpu = monitor.Read(withProcesses: true).Gpus.Single();

        gpu.Should().BeEquivalentTo(new
        {
            machine.Gpu.Uuid,
            machine.Gpu.Name,
            Status = GpuStatus.Ok,
            Problem = (string?)null,
            Utilization = (double?)null,
        });
        gpu.Mode.Should().Be(new MigMode(true, true));
        gpu.TemperatureCelsius.Should().Be(machine.Gpu.GetTemperatureCelsius());
        gpu.PowerWatts.Should().BeApproximately(machine.Gpu.GetPowerUsageWatts(), 5);
        InstanceReading instance = gpu.Instances.Single();
        (instance.Uuid, instance.Profile, instance.Memory.UsedBytes).Should().Be((compute.GetMigDevice().Uuid, "3g.71gb", 2048L << 20));
        instance.Processes!.Single().ToString().Should().Be("process 4711 (train)");
        gpu.Processes!.Should().HaveCount(1);
    }

    [Fact]
    public void Part_of_a_gpu_instance_is_named_so()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance half = machine.Create("3g.20gb");
        half.CreateComputeInstance(half.GetComputeInstanceProfile("1c"));
        using GpuMonitor monitor = new(machine.Session);

        monitor.Read().Gpus[0].Instances.Single().Profile.Should().Be("1c.3g.20gb");
    }

    [Fact]
    public void Without_mig_the_whole_gpu_has_a_utilization()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        using GpuMonitor monitor = new(machine.Session);

        monitor.Read().Gpus[0].Utilization.Should().Be(0);
    }

    [Fact]
    public void Activity_is_of_the_time_between_readings()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB");
        GpuInstance instance = machine.Create("1g.10gb");
        instance.CreateComputeInstance();
        machine.Simulator.SetActivity(0, 80, instance.Id);
        using GpuMonitor monitor = new(machine.Session, time: _time);

        monitor.Read().Gpus[0].Instances[0].Activity.Should().BeNull("there is no reading before");
        _time.Pass(5);
        InstanceActivity activity = monitor.Read().Gpus[0].Instances[0].Activity!;

        (activity.Engine, activity.Multiprocessors, activity.Window).Should().Be((0.8, 0.8, TimeSpan.FromSeconds(5)));
        activity.TensorCores.Should().BeNull("the driver gives no value");
    }

    [Fact]
    public void Without_gpm_there_is_no_activity()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB");
        machine.Create("1g.5gb").CreateComputeInstance();
        using GpuMonitor monitor = new(machine.Session, time: _time);

        monitor.Read();
        _time.Pass(5);

        monitor.Read().Gpus[0].Instances[0].Activity.Should().BeNull();
    }

    [Fact]
    public void Whoever_asks_within_a_second_gets_the_same()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using GpuMonitor monitor = new(machine.Session, time: _time);
        MachineReading first = monitor.Read();
        long calls = machine.Simulator.GetCallCount();

        _time.Pass(0.9);
        monitor.Read().Should().BeSameAs(first);
        machine.Simulator.GetCallCount().Should().Be(calls);

        _time.Pass(0.1);
        monitor.Read().Should().NotBeSameAs(first);
    }

    [Theory]
    [InlineData("A100-SXM4-40GB*8", "1g.5gb", 3, 1)] // Simulated ones but the H200 have neither temperature nor power.
    [InlineData("H100-SXM5-80GB*8", "1g.10gb", 3, 1 + 4)]
    [InlineData("H200*8", "1g.18gb", 5, 1 + 4)]
    public void A_reading_lists_nothing_and_has_few_calls(string gpus, string profile, int eachGpu, int eachInstance)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(gpus);
        Fill(machine, profile);
        using GpuMonitor monitor = new(machine.Session, time: _time);
        for (int i = 0; i < 2; i++)
        {
            monitor.Read(); // The first lists, and the second has samples to compare with.
            _time.Pass(1);
        }

        string[] lists =
        [
            "nvmlGpuInstanceGetComputeInstances", "nvmlDeviceGetMigDeviceHandleByIndex", "nvmlDeviceGetGpuInstances",
            "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetAttributes_v2", "nvmlGpuInstanceGetComputeInstanceById",
        ];
        long[] before = [.. lists.Select(machine.Simulator.GetCallCount)];
        long all = machine.Simulator.GetCallCount();

        MachineReading reading = monitor.Read();

        reading.Gpus.Should().OnlyContain(gpu => gpu.Instances.Count == 7);
        lists.Select(machine.Simulator.GetCallCount).Should().Equal(before);
        (machine.Simulator.GetCallCount() - all).Should().Be((8 * eachGpu) + (56 * eachInstance));
    }

    [Fact]
    public void Processes_are_three_calls_a_gpu_more()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using GpuMonitor monitor = new(machine.Session, time: _time);
        monitor.Read(withProcesses: true); // The first time it asks for the driver's version.
        _time.Pass(1);
        MachineReading without = monitor.Read();
        long calls = machine.Simulator.GetCallCount();

        MachineReading with = monitor.Read(withProcesses: true);

        (machine.Simulator.GetCallCount() - calls).Should().Be(3);
        (with.Time, with.Gpus[0].Processes!.Count).Should().Be((without.Time, 0));
        monitor.Read().Should().BeSameAs(with);
    }

    [Fact]
    public void Instances_that_come_and_go_are_seen()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB*2");
        using GpuMonitor monitor = new(machine.Session, time: _time);
        monitor.Read().Gpus.Should().OnlyContain(gpu => gpu.Instances.Count == 0);

        GpuInstance instance = machine.Create("1g.10gb");
        ComputeInstance compute = instance.CreateComputeInstance();
        _time.Pass(1);
        monitor.Read().Gpus.Select(gpu => gpu.Instances.Count).Should().Equal(1, 0);

        compute.Destroy();
        instance.Destroy();
        _time.Pass(1);
        monitor.Read().Gpus.Should().OnlyContain(gpu => gpu.Instances.Count == 0);
    }

    [Fact]
    public void A_gpu_without_events_is_listed_now_and_then()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB");
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceRegisterEvents", NvmlReturnCode.NotSupported) with { Nth = null });
        using GpuMonitor monitor = new(machine.Session, time: _time);
        monitor.Read();
        machine.Create("1g.10gb").CreateComputeInstance();

        _time.Pass(29);
        monitor.Read().Gpus[0].Instances.Should().BeEmpty();
        _time.Pass(1);
        monitor.Read().Gpus[0].Instances.Should().HaveCount(1);

        machine.Create("1g.10gb").CreateComputeInstance();
        monitor.ListAgain();
        monitor.Read().Gpus[0].Instances.Should().HaveCount(2, "it was told");
    }

    [Fact]
    public void One_that_goes_while_it_is_read_is_left_out()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB");
        GpuInstance gone = machine.Create("1g.10gb");
        gone.CreateComputeInstance();
        string left = machine.Create("1g.10gb").CreateComputeInstance().GetMigDevice().Uuid;
        using GpuMonitor monitor = new(machine.Session, time: _time);
        monitor.Read().Gpus[0].Instances.Should().HaveCount(2);

        _time.Pass(1);
        machine.Simulator.SetFaults(NvmlFault.DestroyGpuInstance("nvmlDeviceGetMemoryInfo_v2", 0, gone.Id));

        monitor.Read().Gpus[0].Should().BeEquivalentTo(new { Status = GpuStatus.Ok, Instances = new[] { new { Uuid = left } } });
    }

    [Fact]
    public void A_lost_gpu_is_a_status()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB*2");
        machine.Create("1g.10gb").CreateComputeInstance();
        using GpuMonitor monitor = new(machine.Session, time: _time);
        monitor.Read();
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetMemoryInfo_v2") with { Gpu = 0 });

        foreach (int _ in Enumerable.Range(0, 3))
        {
            _time.Pass(1);
            IReadOnlyList<GpuReading> gpus = monitor.Read(withProcesses: true).Gpus;
            gpus.Select(gpu => gpu.Status).Should().Equal(GpuStatus.Lost, GpuStatus.Ok);
            gpus[0].Should().BeEquivalentTo(new { machine.Gpu.Uuid, Instances = Array.Empty<InstanceReading>() });
            gpus[0].Problem.Should().Contain("NVML_ERROR_GPU_IS_LOST");
        }

        machine.Simulator.ResetGpu(0);
        _time.Pass(1);
        GpuReading back = monitor.Read().Gpus[0];
        (back.Status, back.Instances.Count).Should().Be((GpuStatus.Ok, 1));
    }

    [Fact]
    public void Xids_are_counted_where_they_happen()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB");
        MigDevice device = machine.Create("1g.10gb").CreateComputeInstance().GetMigDevice();
        using GpuMonitor monitor = new(machine.Session, time: _time);
        monitor.Read();
        machine.Simulator.RaiseXid(0, 94, device);
        machine.Simulator.RaiseXid(0, 13);
        machine.Simulator.RaiseXid(0, 94);

        _time.Pass(1);
        GpuReading gpu = monitor.Read().Gpus[0];

        gpu.Xids.Should().Equal(new XidCount(13, 1), new XidCount(94, 2));
        gpu.Instances[0].Xids.Should().Equal(new XidCount(94, 1));
    }

    [Fact]
    public void What_must_not_be_seen_is_null()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB");
        machine.Create("1g.10gb").CreateComputeInstance();
        machine.Simulator.SetPrivileges(SimulatedPrivileges.None);
        using GpuMonitor monitor = new(machine.Session, time: _time);

        GpuReading gpu = monitor.Read(withProcesses: true).Gpus[0];

        gpu.Status.Should().Be(GpuStatus.Ok);
        gpu.Processes.Should().BeNull();
    }

    [Fact]
    public void A_full_machine_is_read_within_milliseconds()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB*8");
        Fill(machine, "1g.10gb");
        using GpuMonitor monitor = new(machine.Session, time: _time);
        TimeSpan fastest = TimeSpan.MaxValue;
        for (int i = 0; i < 20; i++)
        {
            long started = Stopwatch.GetTimestamp();
            monitor.Read();
            TimeSpan took = Stopwatch.GetElapsedTime(started);
            fastest = took < fastest ? took : fastest;
            _time.Pass(1);
        }

        fastest.Should().BeLessThan(TimeSpan.FromMilliseconds(20), "the driver's time is not in it");
        if (Environment.GetEnvironmentVariable("NVMIG_SHOW_TIMES") is { } file)
            File.WriteAllText(file, fastest.ToString());
    }

    [Theory]
    [InlineData("nvmlGpmMigSampleGet", NvmlReturnCode.NoPermission)]
    [InlineData("nvmlGpmMigSampleGet", NvmlReturnCode.Unknown)]
    [InlineData("nvmlGpmQueryDeviceSupport", NvmlReturnCode.Unknown)]
    public void Without_activity_an_instance_is_there_all_the_same(string function, NvmlReturnCode code)
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        machine.Create("3g.71gb").CreateComputeInstance();
        machine.Simulator.SetFaults(NvmlFault.Return(function, code));
        using GpuMonitor monitor = new(machine.Session, time: _time);
        monitor.Read();
        long lists = machine.Simulator.GetCallCount("nvmlDeviceGetGpuInstances");
        _time.Pass(1);

        GpuReading gpu = monitor.Read().Gpus.Single();

        gpu.Instances.Should().ContainSingle().Which.Activity.Should().BeNull();
        machine.Simulator.GetCallCount("nvmlDeviceGetGpuInstances").Should().Be(lists, "lists stop the machine's other users");
    }

    [Fact]
    public async Task Whoever_waits_for_a_reading_takes_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        using GpuMonitor monitor = new(machine.Session, time: new HastyTime());
        monitor.Read();
        machine.Simulator.SetFaults(NvmlFault.Hang("nvmlDeviceGetPowerUsage", TimeSpan.FromMilliseconds(300)));
        long before = machine.Simulator.GetCallCount("nvmlDeviceGetPowerUsage");

        Thread[] readers = [.. Enumerable.Range(0, 20).Select(_ => new Thread(() => monitor.Read()))];
        foreach (Thread reader in readers)
            reader.Start();
        await Task.Run(() => Array.ForEach(readers, reader => reader.Join()));

        (machine.Simulator.GetCallCount("nvmlDeviceGetPowerUsage") - before).Should().BeLessThan(6);
    }

    private static void Fill(SimulatedGpu machine, string profile)
    {
        foreach (GpuDevice gpu in machine.Session.Devices)
        {
            for (int i = 0; i < 7; i++)
                gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile(profile)).CreateComputeInstance();
        }
    }

    /// <summary>A clock by which a reading takes longer than the time for which it is good.</summary>
    private sealed class HastyTime : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Interlocked.Add(ref _now, 2);
    }
}
