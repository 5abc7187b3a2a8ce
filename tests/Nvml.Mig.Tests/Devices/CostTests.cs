namespace Nvml.Mig.Tests.Devices;

/// <summary>
/// The cost of reading: native calls, which take 0.2 us to 3 ms each on an H200, and allocations. Each number is the sum of what the
/// information needs, spelled out beside it.
/// </summary>
public class CostTests
{
    /// <summary>17 profile numbers, and the refusal behind the last.</summary>
    private const int Profiles = 18;

    /// <summary>Handle and UUID.</summary>
    private const int Identity = 2;

    private const int Mode = 1;

    /// <summary>One for each of the 7 profiles of an A100.</summary>
    private const int InstanceLists = 7;

    [Fact]
    public void An_empty_machine_of_eight()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*8");
        using NvmlSession session = NvmlSession.Open(machine.Simulator.LibraryPath);

        Calls(machine, () => List(session))
            .Should().Be(1 + (8 * (Identity + Mode + Profiles + InstanceLists)), "cold; one call counts the GPUs");
        Calls(machine, () => List(session)).Should().Be(8 * (Mode + InstanceLists), "warm");
    }

    [Fact]
    public void A_full_machine_of_eight()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*8");
        foreach (GpuDevice gpu in machine.Session.Devices)
        {
            for (int i = 0; i < 7; i++)
                gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("1g.5gb")).CreateComputeInstance();
        }

        using NvmlSession session = NvmlSession.Open(machine.Simulator.LibraryPath);
        const int gpuInstances = InstanceLists + 7;
        const int computeInstances = 7 * (1 + 1); // the list and the one in it
        const int migDevices = 1 + (7 * 5); // how many; handle, two ids, UUID of each, and whether it is where it was
        const int computeProfiles = 9 + 1 + 1; // 9 numbers, the refusal behind the last, and whether the instance asked is still there

        Calls(machine, () => List(session)).Should().Be(
            1 + (8 * (Identity + Mode + Profiles + gpuInstances + computeProfiles + computeInstances + migDevices)), "cold");
        Calls(machine, () => List(session)).Should().Be(8 * (Mode + gpuInstances + computeInstances + migDevices), "warm");
    }

    [Fact]
    public void Profiles_are_asked_for_once_for_each_gpu_and_mode()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        for (int i = 0; i < 3; i++)
            machine.Gpu.GetGpuInstanceProfiles();
        machine.Simulator.GetCallCount("nvmlDeviceGetGpuInstanceProfileInfoV").Should().Be(Profiles);

        machine.Gpu.EnableMig();
        machine.Gpu.GetGpuInstanceProfiles();
        machine.Gpu.GetGpuInstanceProfiles();

        machine.Simulator.GetCallCount("nvmlDeviceGetGpuInstanceProfileInfoV").Should().Be(2 * Profiles, "another mode may offer others");
    }

    [Fact]
    public void What_depends_on_the_mode_is_forgotten_with_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuDevice gpu = machine.Gpu;
        Read();
        long placements = machine.Simulator.GetCallCount("nvmlDeviceGetGpuInstancePossiblePlacements_v2");
        gpu.DisableMig();
        gpu.EnableMig();

        Read();

        machine.Simulator.GetCallCount("nvmlDeviceGetGpuInstancePossiblePlacements_v2").Should().Be(2 * placements);

        void Read()
        {
            GpuInstance instance = machine.Create("1g.18gb");
            gpu.GetPossiblePlacements(instance.Profile);
            instance.GetComputeInstanceProfiles();
            instance.Destroy();
        }
    }

    [Fact]
    public void What_never_changes_is_asked_for_once()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuDevice gpu = machine.Gpu;
        GpuInstanceProfile profile = gpu.GetGpuInstanceProfiles()[0];
        ReadAll();

        Calls(machine, ReadAll).Should().Be(0);

        void ReadAll()
        {
            _ = (
                gpu.Uuid,
                gpu.Name,
                gpu.PciBusId,
                gpu.PciDeviceId,
                gpu.PciSubsystemId,
                gpu.MinorNumber,
                gpu.Brand,
                gpu.Architecture,
                gpu.ComputeCapability);
            _ = (
                gpu.GetSerial(),
                gpu.GetVbiosVersion(),
                gpu.GetMigFeatures(),
                gpu.GetCapabilities(profile),
                gpu.GetPossiblePlacements(profile));
        }
    }

    [Fact]
    public void Readings_allocate_nothing()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuDevice gpu = machine.Gpu;
        GpuInstance half = machine.Create("3g.71gb");
        MigDevice device = half.CreateComputeInstance().GetMigDevice();
        GpuInstanceProfile profile = half.Profile;
        gpu.GetCapabilities(profile);

        Allocated(() => gpu.GetMigMode()).Should().Be(0);
        Allocated(() => gpu.TryGetMigMode()).Should().Be(0);
        Allocated(() => gpu.GetRemainingCapacity(profile)).Should().Be(0);
        Allocated(() => gpu.GetCapabilities(profile)).Should().Be(0);
        Allocated(() => gpu.GetMemory()).Should().Be(0);
        Allocated(() => gpu.GetBar1Memory()).Should().Be(0);
        Allocated(() => gpu.GetTemperatureCelsius()).Should().Be(0);
        Allocated(() => gpu.GetPowerUsageWatts()).Should().Be(0);
        Allocated(() => gpu.GetPowerLimitWatts()).Should().Be(0);
        Allocated(() => gpu.GetPersistenceMode()).Should().Be(0);
        Allocated(() => gpu.GetComputeMode()).Should().Be(0);
        Allocated(() => gpu.GetEccErrorCount(EccErrorType.Corrected, EccCounterType.Aggregate)).Should().Be(0);
        Allocated(() => device.GetMemory()).Should().Be(0);
        Allocated(() => device.GetAttributes()).Should().Be(0);
        Allocated(() => device.GetIndex()).Should().Be(0);
    }

    [Fact]
    public void A_name_allocates_its_string_and_that_once()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*8");
        foreach (GpuDevice gpu in machine.Session.Devices)
            gpu.GetMigMode(); // its handle and UUID are read now

        // The first of them compiles the code, and the runtime may allocate on our thread while it improves it.
        long first = machine.Session.Devices.Min(gpu =>
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            _ = gpu.Name;
            return GC.GetAllocatedBytesForCurrentThread() - before;
        });

        long string_ = (22 + (2 * "NVIDIA H200".Length) + 7) / 8 * 8; // header, length, characters and NUL, in words
        first.Should().Be(string_);
        Allocated(() => _ = machine.Gpu.Name).Should().Be(0);
    }

    private static void List(NvmlSession session)
    {
        foreach (GpuDevice gpu in session.Devices)
        {
            gpu.GetMigMode();
            IReadOnlyList<GpuInstance> instances = gpu.GetGpuInstances();
            if (instances.Sum(instance => instance.GetComputeInstances().Count) > 0)
                gpu.GetMigDevices();
        }
    }

    private static long Calls(SimulatedGpu machine, Action act)
    {
        long before = machine.Simulator.GetCallCount();
        act();
        return machine.Simulator.GetCallCount() - before;
    }

    /// <summary>The allocations of a second call.</summary>
    private static long Allocated(Action act)
    {
        act();
        long least = long.MaxValue;
        for (int i = 0; i < 3; i++) // the runtime may allocate on our thread while it improves the code
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            act();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
