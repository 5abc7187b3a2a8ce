using System.Diagnostics;
using Nvml.Mig.Interop;
using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>How long calls take with the latencies of hardware, and which wait for each other.</summary>
public class LatencyTests
{
    [Fact]
    public void Changes_of_different_gpus_come_one_after_the_other()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*4");
        foreach (GpuDevice gpu in machine.Session.Devices)
        {
            gpu.EnableMig();
            gpu.GetGpuInstanceProfiles();
        }

        machine.Simulator.SetLatency(SimulatedLatency.Hardware);

        TimeSpan time = TimeOfThreads(4, i =>
            machine.Session.Devices[i].CreateGpuInstance(machine.Session.Devices[i].GetGpuInstanceProfile("1g.5gb")));

        time.Should().BeGreaterThanOrEqualTo(TimeSpan.FromMilliseconds(4 * 50));
    }

    [Fact]
    public void Reads_of_one_process_come_one_after_the_other()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*4", migEnabled: false);
        machine.Simulator.SetLatency(SimulatedLatency.Hardware);

        TimeSpan time = TimeOfThreads(4, i =>
        {
            for (int n = 0; n < 100; n++)
                machine.Session.Devices[i].GetMigMode();
        });

        time.Should().BeGreaterThanOrEqualTo(TimeSpan.FromMilliseconds(400 * 0.16));
    }

    [Fact]
    public void Another_process_waits_for_a_change_of_any_gpu()
    {
        using Nvmig nvmig = new("H200*2");
        nvmig.Environment["NVML_STUB_LATENCY"] = "hardware";
        using NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        session.Devices[0].EnableMig();
        GpuInstanceProfile profile = session.Devices[0].GetGpuInstanceProfiles()[0];
        simulator.SetLatency(SimulatedLatency.Hardware);
        using CancellationTokenSource done = new();
        Stopwatch watch = Stopwatch.StartNew();
        Thread changes = new(() =>
        {
            while (!done.IsCancellationRequested)
                session.Devices[0].CreateGpuInstance(profile).Destroy();
        });
        changes.Start();

        nvmig.Run("list", "-i", "1").ExitCode.Should().Be(0);

        watch.Elapsed.Should().BeGreaterThan(TimeSpan.FromMilliseconds(250), "GPU 0 is changed all the time, 250 ms a change");
        done.Cancel();
        changes.Join();
    }

    [Fact]
    public void A_gpu_that_was_not_asked_answers_later()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*2", migEnabled: false);
        machine.Simulator.SetLatency(SimulatedLatency.Hardware);
        GpuDevice other = machine.Session.Devices[1];

        TimeSpan alternating = Shortest(() =>
        {
            machine.Gpu.GetMigMode();
            other.GetMigMode();
        });

        alternating.Should().BeGreaterThanOrEqualTo(TimeSpan.FromMilliseconds(0.76), "each GPU sees a pause");
        Shortest(() => machine.Gpu.GetMigMode()).Should().BeGreaterThanOrEqualTo(TimeSpan.FromMilliseconds(0.16));
    }

    [Fact]
    public unsafe void An_absent_gpu_instance_is_dear_to_ask_for()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        machine.Simulator.SetLatency(SimulatedLatency.Hardware);
        nvmlDevice_t gpu;
        nvmlGpuInstance_t instance;
        LibNvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        long start = Stopwatch.GetTimestamp();

        LibNvml.nvmlDeviceGetGpuInstanceById(gpu, 3, &instance).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_FOUND);

        Stopwatch.GetElapsedTime(start).Should().BeGreaterThanOrEqualTo(TimeSpan.FromMilliseconds(6.7));
    }

    [Fact]
    public void Ampere_takes_seconds_to_switch_the_mode()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB", migEnabled: false);
        machine.Simulator.SetLatency(SimulatedLatency.Hardware);
        Stopwatch watch = Stopwatch.StartNew();
        machine.Gpu.EnableMig();
        watch.Elapsed.Should().BeGreaterThanOrEqualTo(TimeSpan.FromSeconds(4.2));

        watch.Restart();
        machine.Gpu.EnableMig();

        watch.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public void Initialising_takes_as_long_as_on_an_h200()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("H200");
        simulator.SetLatency(SimulatedLatency.Hardware);
        List<double> nested = [], shutdown = [], again = [];

        Stopwatch first = Stopwatch.StartNew();
        using (NvmlSession.Open(simulator.LibraryPath))
        {
            first.Stop();
            for (int i = 0; i < 10; i++)
            {
                nested.Add(Time(LibNvml.nvmlInit_v2));
                LibNvml.nvmlShutdown();
            }
        }

        for (int i = 0; i < 10; i++)
        {
            again.Add(Time(LibNvml.nvmlInit_v2));
            shutdown.Add(Time(LibNvml.nvmlShutdown));
        }

        first.Elapsed.TotalMilliseconds.Should().BeGreaterThanOrEqualTo(9.6);
        // The shortest of each, since the machine may be busy with something else.
        nested.Min().Should().BeInRange(0.002, 1.5);
        shutdown.Min().Should().BeInRange(2.7, 5);
        again.Min().Should().BeInRange(1.8, 5);

        static double Time(Func<nvmlReturn_t> call)
        {
            long start = Stopwatch.GetTimestamp();
            call().Should().Be(nvmlReturn_t.NVML_SUCCESS);
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
    }

    [Fact]
    public void Memory_and_processes_take_microseconds()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        machine.Simulator.SetLatency(SimulatedLatency.Hardware);

        Shortest(() => machine.Gpu.GetMemory()).Should().BeGreaterThanOrEqualTo(TimeSpan.FromMicroseconds(6));
        Shortest(() => machine.Gpu.GetProcesses())
            .Should().BeGreaterThanOrEqualTo(TimeSpan.FromMicroseconds(21), "it asks for three lists");
    }

    private static TimeSpan Shortest(Action read) => Enumerable.Range(0, 300).Min(_ =>
    {
        long start = Stopwatch.GetTimestamp();
        read();
        return Stopwatch.GetElapsedTime(start);
    });

    private static TimeSpan TimeOfThreads(int count, Action<int> work)
    {
        Stopwatch time = Stopwatch.StartNew();
        Thread[] threads = [.. Enumerable.Range(0, count).Select(i => new Thread(() => work(i)))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        return time.Elapsed;
    }
}
