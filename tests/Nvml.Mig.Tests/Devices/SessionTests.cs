using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Nvml.Mig.Tests.Devices;

public class SessionTests
{
    [Fact]
    public void A_machine_shows_its_gpus()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2,H200", migEnabled: false);

        machine.Session.Devices.Select(gpu => (gpu.Index, gpu.Name, gpu.PciBusId)).Should().Equal(
            (0, "NVIDIA A100-SXM4-40GB", "00000000:07:00.0"),
            (1, "NVIDIA A100-SXM4-40GB", "00000000:08:00.0"),
            (2, "NVIDIA H200", "00000000:09:00.0"));
        machine.Session.Devices.Select(gpu => gpu.Uuid).Should().OnlyHaveUniqueItems();
        machine.Session.GetDriverVersion().Should().Be("580.159.04");
        machine.Session.GetNvmlVersion().Should().Be("13.580.159.04");
    }

    [Fact]
    public void Gpus_are_found_by_index_uuid_and_bus_id()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*3", migEnabled: false);
        GpuDevice second = machine.Session.Devices[1];

        foreach (string name in (string[])[
            "1", second.Uuid, second.Uuid.ToUpperInvariant(), second.PciBusId, "0000:08:00.0", "00000000:08:00.0"])
            machine.Session.GetDevice(name).Should().BeSameAs(second, "that is {0}", name);
    }

    [Theory]
    [InlineData("3", NvmlReturnCode.InvalidArgument, "There is no GPU 3: this machine has 3 GPUs, 0 to 2*")]
    [InlineData("-1", NvmlReturnCode.InvalidArgument, "There is no GPU -1: *")]
    [InlineData("GPU-00000000-0000-0000-0000-000000000000", NvmlReturnCode.NotFound, "Cannot find the GPU GPU-0000*Not Found*")]
    [InlineData("0000:99:00.0", NvmlReturnCode.NotFound, "Cannot find the GPU at PCI bus id 0000:99:00.0*")]
    [InlineData("zz", NvmlReturnCode.InvalidArgument, "Cannot find the GPU at PCI bus id zz*GPUs are named by index (0), UUID*")]
    public void A_gpu_that_is_not_there_is_named(string name, NvmlReturnCode code, string message)
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*3", migEnabled: false);

        machine.Session.Invoking(s => s.GetDevice(name)).Should().Throw<NvmlException>().WithMessage(message).Which.Code.Should().Be(code);
    }

    [Fact]
    public void What_a_gpu_is_on_the_pci_bus_comes_in_one_call()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB,H200", migEnabled: false);
        GpuDevice gpu = machine.Session.Devices[1];
        _ = gpu.Uuid;
        long before = machine.Simulator.GetCallCount();

        // As the H200 that was measured.
        (gpu.PciBusId, gpu.PciDeviceId, gpu.PciSubsystemId).Should().Be(("00000000:08:00.0", 0x233510DEu, 0x18BF10DEu));
        (machine.Simulator.GetCallCount() - before).Should().Be(1);
        machine.Gpu.PciDeviceId.Should().Be(0x20B010DE);
    }

    [Fact]
    public void What_cannot_change_is_asked_once()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        long before = machine.Simulator.GetCallCount();

        for (int i = 0; i < 3; i++)
        {
            GpuDevice gpu = machine.Session.Devices[0];
            _ = (gpu.Uuid, gpu.Name, gpu.PciBusId);
            foreach (GpuInstanceProfile profile in gpu.GetGpuInstanceProfiles())
                gpu.GetPossiblePlacements(profile);
        }

        // Count, handle, UUID, name, PCI ids; 17 profile numbers and the refusal behind them; placements of 7 profiles.
        (machine.Simulator.GetCallCount() - before).Should().Be(5 + 18 + 7);
    }

    [Fact]
    public void Listing_costs_what_the_information_needs()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        for (int i = 0; i < 7; i++)
            machine.Create("1g.5gb").CreateComputeInstance();
        long before = machine.Simulator.GetCallCount();

        machine.Gpu.GetGpuInstances().Sum(instance => instance.GetComputeInstances().Count).Should().Be(7);

        // GPU instances: one call for each of 7 profiles, one for each of 7 instances; compute instances: two each.
        (machine.Simulator.GetCallCount() - before).Should().Be(7 + 7 + (7 * 2));
    }

    [Fact]
    public void After_it_is_closed_nothing_of_a_session_reaches_the_driver()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start();
        NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        GpuDevice gpu = session.Devices[0];
        gpu.EnableMig();
        GpuInstance instance = gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("3g.20gb"));
        ComputeInstance inside = instance.CreateComputeInstance();
        session.Dispose();
        session.Dispose();
        long calls = simulator.GetCallCount();

        Action[] uses =
        [
            () => session.GetDriverVersion(), () => gpu.GetMigMode(), () => gpu.EnableMig(), () => gpu.GetGpuInstances(),
            () => _ = gpu.Name,
            () => instance.GetComputeInstances(),
            () => instance.CreateComputeInstance(),
            instance.Destroy,
            inside.Destroy,
            () => inside.GetMigDevice(),
        ];
        foreach (Action use in uses)
            use.Should().Throw<ObjectDisposedException>().WithMessage("The NVML session was closed.*");
        simulator.GetCallCount().Should().Be(calls);
        simulator.GetCallCount("nvmlShutdown").Should().Be(1);
    }

    [Fact]
    public void Sessions_may_overlap()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        using (NvmlSession second = NvmlSession.Open(machine.Simulator.LibraryPath))
            second.Devices[0].EnableMig();

        machine.Gpu.GetMigMode().Current.Should().BeTrue();
    }

    [Fact]
    public void No_call_comes_after_the_shutdown_when_others_call()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start();
        for (int round = 0; round < (LongTests.Wanted ? 20_000 : 200); round++)
        {
            NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
            GpuDevice gpu = session.Devices[0];
            ConcurrentBag<Exception> unexpected = [];
            using Barrier start = new(4);
            Thread[] callers = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
            {
                start.SignalAndWait();
                try
                {
                    while (true)
                        gpu.GetMigMode();
                }
                catch (ObjectDisposedException)
                {
                    // The only way for this to end. UNINITIALIZED would mean a call after the shutdown.
                }
                catch (Exception e)
                {
                    unexpected.Add(e);
                }
            }))];
            foreach (Thread caller in callers)
                caller.Start();

            start.SignalAndWait();
            Thread.SpinWait(round % 50 * 100);
            session.Dispose();

            foreach (Thread caller in callers)
                caller.Join(TimeSpan.FromSeconds(30)).Should().BeTrue();
            unexpected.Should().BeEmpty();
            simulator.GetCallCount("nvmlShutdown").Should().Be(round + 1);
        }
    }

    [Fact]
    public void A_call_within_a_call_keeps_both_sessions_open()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start();
        NvmlSession inner = NvmlSession.Open(simulator.LibraryPath);
        GpuDevice gpu = inner.Devices[0];
        CallingLogger logger = new();
        NvmlSession outer = NvmlSession.Open(simulator.LibraryPath, logger);
        (MigMode Seen, long Shutdowns)? within = null;
        logger.OnWarning = () =>
        {
            MigMode seen = gpu.GetMigMode();
            inner.Dispose();
            outer.Dispose(); // its call, which logs this, is still under way
            within = (seen, simulator.GetCallCount("nvmlShutdown"));
        };

        outer.Invoking(s => s.GetDevice("GPU-00000000-0000-0000-0000-000000000000")).Should().Throw<NvmlNotFoundException>();

        within.Should().Be((new MigMode(false, false), 1L));
        simulator.GetCallCount("nvmlShutdown").Should().Be(2);
        gpu.Invoking(g => g.GetMigMode()).Should().Throw<ObjectDisposedException>();
        outer.Invoking(s => s.GetDriverVersion()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void Callers_that_overlap_cannot_keep_a_closed_session_open()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start();
        NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        GpuDevice gpu = session.Devices[0];
        Thread[] callers = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
            FluentActions.Invoking(() =>
            {
                while (true)
                    gpu.GetMigMode();
            }).Should().Throw<ObjectDisposedException>()))];
        foreach (Thread caller in callers)
            caller.Start();
        while (simulator.GetCallCount("nvmlDeviceGetMigMode") < 1000)
            Thread.Yield();

        session.Dispose();

        gpu.Invoking(g => g.GetMigMode()).Should().Throw<ObjectDisposedException>();
        foreach (Thread caller in callers)
            caller.Join(TimeSpan.FromSeconds(10)).Should().BeTrue();
        simulator.GetCallCount("nvmlShutdown").Should().Be(1);
    }

    [Fact]
    public void A_process_has_one_nvml_library()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);

        FluentActions.Invoking(() => NvmlSession.Open("/somewhere/else/libnvidia-ml.so.1"))
            .Should().Throw<InvalidOperationException>().WithMessage("This process already uses the NVML library *libnvml-stub.so*");
        FluentActions.Invoking(() => NvmlSession.Open())
            .Should().Throw<InvalidOperationException>("a simulated machine must not pass for the real one");
    }

    [Fact]
    public void A_relative_library_path_is_refused() =>
        FluentActions.Invoking(() => NvmlSession.Open("libnvidia-ml.so.1"))
            .Should().Throw<ArgumentException>().WithMessage("*is not absolute*");

    private sealed class CallingLogger : ILogger
    {
        public Action OnWarning { get; set; } = () => { };

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
                OnWarning();
    }
}
