using System.Runtime.InteropServices;
using Nvml.Mig.Interop;
using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>Answers of the simulated driver to other clients, called by name, as they do.</summary>
public unsafe class TelemetryTests
{
    [Fact]
    public void Processes_show_on_the_gpu_and_on_their_mig_device()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice first = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        machine.Create("1g.5gb").CreateComputeInstance();
        using IDisposable training = machine.Simulator.StartProcess(first, 4711, "python3", memoryMiB: 1000);
        using IDisposable hidden = machine.Simulator.HoldGpu(0);

        Processes(Gpu(0)).Should().Equal((4711u, 1000ul << 20, 2u, 0u));
        Processes(MigDevice(0)).Should().Equal((4711u, 1000ul << 20, 2u, 0u));
        Processes(MigDevice(1)).Should().BeEmpty();
    }

    [Fact]
    public void Memory_is_that_of_the_profile_and_what_processes_use()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        machine.Create("3g.71gb").CreateComputeInstance();
        using IDisposable training = machine.Simulator.StartProcess(machine.Gpu.GetMigDevices()[0], 4711, "python3", memoryMiB: 1000);

        // Total and reserved were measured on an idle H200.
        Memory(Gpu(0)).Should().Be((150754820096ul, 644939776ul, 1000ul << 20));
        Memory(MigDevice(0)).Should().Be((71424ul << 20, 0ul, 1000ul << 20));
    }

    [Fact]
    public void A_gpu_is_as_healthy_as_it_was_set_to_be()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*2", migEnabled: false);
        GpuDevice gpu = machine.Session.Devices[1];
        Health(gpu).Should().Be((true, new RemappedRows(0, 0, false, false), 0));

        machine.Simulator.SetHealth(1, persistenceMode: false, rowRemapPending: true, rowRemapFailed: true, uncorrectedEccErrors: 70000);
        Health(gpu).Should().Be((false, new RemappedRows(0, 0, true, true), 70000));
        gpu.GetEccErrorCount(EccErrorType.Corrected, EccCounterType.Aggregate).Should().Be(0);
        gpu.GetEccErrorCount(EccErrorType.Uncorrected, EccCounterType.Volatile)
            .Should().Be(0, "they were counted before the driver was loaded");
        Health(machine.Gpu).Should().Be((true, new RemappedRows(0, 0, false, false), 0));

        machine.Simulator.ResetGpu(1);
        gpu.GetRemappedRows().Should().Be(new RemappedRows(0, 0, false, true), "the reset replaced the row that waited for it");

        machine.Simulator.SetHealth(1);
        Health(gpu).Should().Be(Health(machine.Gpu));
        machine.Simulator.Invoking(s => s.SetHealth(2)).Should().Throw<NvmlNotFoundException>();

        static (bool, RemappedRows, long) Health(GpuDevice gpu) =>
            (gpu.GetPersistenceMode(), gpu.GetRemappedRows(), gpu.GetEccErrorCount(EccErrorType.Uncorrected, EccCounterType.Aggregate));
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, -1e9)]
    public void Samples_the_wrong_way_round_make_nonsense_and_no_error(bool reversed, double utilization)
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        nvmlGpmSample_t* samples = stackalloc nvmlGpmSample_t[2];
        for (int i = 0; i < 2; i++)
        {
            LibNvml.nvmlGpmSampleAlloc(&samples[i]).Should().Be(nvmlReturn_t.NVML_SUCCESS);
            ((delegate* unmanaged<nint, nvmlGpmSample_t, nvmlReturn_t>)Export("nvmlGpmSampleGet"))(Gpu(0), samples[i])
                .Should().Be(nvmlReturn_t.NVML_SUCCESS);
        }

        nvmlGpmMetricsGet_t metrics = new()
        {
            version = 1,
            numMetrics = 2,
            sample1 = samples[reversed ? 1 : 0],
            sample2 = samples[reversed ? 0 : 1],
        };
        metrics.metrics[0].metricId = (uint)GpmMetric.SmUtilization;
        metrics.metrics[1].metricId = (uint)GpmMetric.PcieTransmitted;

        LibNvml.nvmlGpmMetricsGet(&metrics).Should().Be(nvmlReturn_t.NVML_SUCCESS);

        (metrics.metrics[0].nvmlReturn, metrics.metrics[0].value).Should().Be((nvmlReturn_t.NVML_SUCCESS, utilization));
        (metrics.metrics[1].nvmlReturn, metrics.metrics[1].value).Should().Be((nvmlReturn_t.NVML_SUCCESS, utilization));
        for (int i = 0; i < 2; i++)
            LibNvml.nvmlGpmSampleFree(samples[i]).Should().Be(nvmlReturn_t.NVML_SUCCESS);
    }

    [Fact]
    public void A_change_of_the_layout_is_an_event_and_so_is_an_xid()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        nint set;
        ((delegate* unmanaged<nint*, nvmlReturn_t>)Export("nvmlEventSetCreate"))(&set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        ((delegate* unmanaged<nint, ulong, nint, nvmlReturn_t>)Export("nvmlDeviceRegisterEvents"))(Gpu(0), 0x108, set)
            .Should().Be(nvmlReturn_t.NVML_SUCCESS);
        Event none = Wait(set);
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        machine.Session.Devices[1].CreateGpuInstance(machine.Session.Devices[1].GetGpuInstanceProfile("9"));
        machine.Simulator.RaiseXid(0, 94, device);

        none.Should().Be(new Event(nvmlReturn_t.NVML_ERROR_TIMEOUT, 0, 0, 0, 0));
        Wait(set).Should().Be(new Event(nvmlReturn_t.NVML_SUCCESS, 0x100, 0, uint.MaxValue, uint.MaxValue));
        Wait(set).Type.Should().Be(0x100, "the compute instance is a change of its own");
        Wait(set).Should().Be(new Event(nvmlReturn_t.NVML_SUCCESS, 8, 94, 2, 0));
        Wait(set).Result.Should().Be(nvmlReturn_t.NVML_ERROR_TIMEOUT, "GPU 1 was not registered");
        ((delegate* unmanaged<nint, nvmlReturn_t>)Export("nvmlEventSetFree"))(set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        ((delegate* unmanaged<nint, nvmlReturn_t>)Export("nvmlEventSetFree"))(set).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
    }

    [Fact]
    public void What_another_process_changes_is_an_event_too()
    {
        using Cli.Nvmig nvmig = new("A100-SXM4-40GB");
        using NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        nint set;
        ((delegate* unmanaged<nint*, nvmlReturn_t>)Export("nvmlEventSetCreate"))(&set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        ((delegate* unmanaged<nint, ulong, nint, nvmlReturn_t>)Export("nvmlDeviceRegisterEvents"))(Gpu(0), 0x100, set)
            .Should().Be(nvmlReturn_t.NVML_SUCCESS);

        nvmig.Run("enable").ExitCode.Should().Be(0);
        Wait(set).Result.Should().Be(nvmlReturn_t.NVML_ERROR_TIMEOUT, "events come with instances, not with the mode");
        nvmig.Run("create", "9").ExitCode.Should().Be(0);

        Wait(set).Type.Should().Be(0x100);
        ((delegate* unmanaged<nint, nvmlReturn_t>)Export("nvmlEventSetFree"))(set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
    }

    [Fact]
    public void A_gpu_instance_is_busy_while_a_process_runs_on_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        MigDevice used = machine.Create("3g.71gb").CreateComputeInstance().GetMigDevice();
        GpuInstance idle = machine.Create("1g.18gb");
        using IDisposable training = machine.Simulator.StartProcess(used, 4711, "python3");

        Activity(used.GpuInstanceId).Should().Be((nvmlReturn_t.NVML_SUCCESS, 100.0));
        Activity(idle.Id).Should().Be((nvmlReturn_t.NVML_SUCCESS, 0.0));
        Activity(5).Should().Be((nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT, 0.0), "there is no such instance");
    }

    [Fact]
    public void Processes_show_in_the_lists_of_what_they_do()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        using IDisposable training = machine.Simulator.StartProcess(device, 1, "python3");
        using IDisposable served = machine.Simulator.StartProcess(device, 2, "python3", kind: SimulatedProcessKind.MpsClient);
        using IDisposable drawing = machine.Simulator.StartProcess(device, 3, "Xorg", kind: SimulatedProcessKind.Graphics);

        foreach (string version in new[] { "_v2", "_v3" })
        {
            Processes(MigDevice(0), $"nvmlDeviceGetComputeRunningProcesses{version}").Select(p => p.Pid).Should().Equal(1, 2);
            Processes(MigDevice(0), $"nvmlDeviceGetMPSComputeRunningProcesses{version}").Select(p => p.Pid).Should().Equal(2);
            Processes(Gpu(0), $"nvmlDeviceGetGraphicsRunningProcesses{version}").Select(p => p.Pid).Should().Equal(3);
        }
    }

    [Fact]
    public void Processes_and_memory_need_the_monitor_capability()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        machine.Session.Devices[1].DisableMig();
        using IDisposable training = machine.Simulator.StartProcess(device, 4711, "python3");
        nvmlDevice_t migDevice = MigDeviceHandle(0);

        foreach (SimulatedPrivileges privileges in Enum.GetValues<SimulatedPrivileges>())
        {
            machine.Simulator.SetPrivileges(privileges);
            nvmlReturn_t expected =
                privileges == SimulatedPrivileges.None ? nvmlReturn_t.NVML_ERROR_NO_PERMISSION : nvmlReturn_t.NVML_ERROR_INSUFFICIENT_SIZE;
            Count(Device(0)).Should().Be(expected);
            MemoryInfo(Device(0)).Should().Be(expected == nvmlReturn_t.NVML_ERROR_NO_PERMISSION ? expected : nvmlReturn_t.NVML_SUCCESS);
            Count(migDevice).Should().Be(nvmlReturn_t.NVML_ERROR_INSUFFICIENT_SIZE, "who has a MIG device may ask for its processes");
            MemoryInfo(migDevice).Should().Be(nvmlReturn_t.NVML_SUCCESS);
            Count(Device(1)).Should().Be(nvmlReturn_t.NVML_SUCCESS, "MIG is disabled there");
            MemoryInfo(Device(1)).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        }

        static nvmlReturn_t Count(nvmlDevice_t device)
        {
            uint count = 0;
            return LibNvml.nvmlDeviceGetComputeRunningProcesses_v3(device, &count, null);
        }

        static nvmlReturn_t MemoryInfo(nvmlDevice_t device)
        {
            nvmlMemory_t memory;
            return LibNvml.nvmlDeviceGetMemoryInfo(device, &memory);
        }
    }

    [Fact]
    public void In_mig_mode_utilization_is_not_supported()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        machine.Create("3g.71gb").CreateComputeInstance();

        foreach (nvmlDevice_t device in new[] { Device(0), MigDeviceHandle(0) })
        {
            nvmlUtilization_t utilization;
            uint mode;
            LibNvml.nvmlDeviceGetUtilizationRates(device, &utilization).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
            LibNvml.nvmlDeviceGetComputeMode(device, &mode).Should().Be(nvmlReturn_t.NVML_SUCCESS);
            mode.Should().Be(0);
        }
    }

    [Fact]
    public void A_mig_device_has_no_serial_number_brand_or_power()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        machine.Create("3g.71gb").CreateComputeInstance();
        nvmlDevice_t device = MigDeviceHandle(0);
        byte* text = stackalloc byte[64];
        uint value;
        nvmlGpuFabricInfo_t fabric;

        nvmlReturn_t[] answers =
        [
            LibNvml.nvmlDeviceGetSerial(device, text, 64),
            LibNvml.nvmlDeviceGetVbiosVersion(device, text, 64),
            LibNvml.nvmlDeviceGetBrand(device, &value),
            LibNvml.nvmlDeviceGetPersistenceMode(device, &value),
            LibNvml.nvmlDeviceGetVirtualizationMode(device, &value),
            LibNvml.nvmlDeviceGetGpuFabricInfo(device, &fabric),
            LibNvml.nvmlDeviceGetTemperature(device, 0, &value),
            LibNvml.nvmlDeviceGetPowerUsage(device, &value),
            LibNvml.nvmlDeviceGetEnforcedPowerLimit(device, &value),
        ];

        answers.Should().OnlyContain(answer => answer == nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
    }

    /// <summary>
    /// Of a GPU in MIG mode those since the driver was loaded are counted for its MIG devices, and only the worst of them.
    /// </summary>
    [Fact]
    public void Memory_errors_of_a_gpu_in_mig_mode()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        nvmlDevice_t gpu = Device(0);
        const uint volatileCounter = 0, aggregate = 1, corrected = 0, uncorrected = 1, dram = 2, sram = 7;
        Rows().Should().Be(nvmlReturn_t.NVML_SUCCESS, "there are no instances yet");
        machine.Create("3g.20gb").CreateComputeInstance();
        nvmlDevice_t device = MigDeviceHandle(0);

        Count(gpu, uncorrected, aggregate, dram).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        Count(gpu, uncorrected, volatileCounter, sram).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        Count(device, uncorrected, volatileCounter, sram).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        Count(device, corrected, volatileCounter, sram).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        Count(device, uncorrected, volatileCounter, dram).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        Count(device, uncorrected, aggregate, sram).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        Rows().Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);

        static nvmlReturn_t Count(nvmlDevice_t of, uint error, uint counter, uint location)
        {
            ulong count;
            return LibNvml.nvmlDeviceGetMemoryErrorCounter(of, error, counter, location, &count);
        }

        nvmlReturn_t Rows()
        {
            uint* rows = stackalloc uint[4];
            return LibNvml.nvmlDeviceGetRemappedRows(gpu, rows, rows + 1, rows + 2, rows + 3);
        }
    }

    [Fact]
    public void What_nobody_knows_of_a_gpu_is_not_supported()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("RTX-PRO-6000-Workstation", migEnabled: false);
        nvmlDevice_t gpu = Device(0);
        byte* text = stackalloc byte[64];
        uint value;
        ulong count;

        LibNvml.nvmlDeviceGetVbiosVersion(gpu, text, 64).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        LibNvml.nvmlDeviceGetTemperature(gpu, 0, &value).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        LibNvml.nvmlDeviceGetPowerUsage(gpu, &value).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        LibNvml.nvmlDeviceGetTotalEccErrors(gpu, 0, 0, &count)
            .Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED, "its error correction is off");
        LibNvml.nvmlDeviceGetBrand(gpu, &value).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        value.Should().Be(0, "NVML has a brand that is not known");
        LibNvml.nvmlDeviceGetEnforcedPowerLimit(gpu, &value).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        value.Should().Be(600_000);
    }

    [Fact]
    public void A_lost_gpu_is_reported_after_all_earlier_events()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2", migEnabled: false);
        nvmlEventSet_t set;
        nvmlEventSet_t other;
        LibNvml.nvmlEventSetCreate(&set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlEventSetCreate(&other).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlDeviceRegisterEvents(Device(0), 8, set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlDeviceRegisterEvents(Device(1), 8, other).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        machine.Simulator.RaiseXid(0, 79);
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetMigMode"));
        machine.Gpu.Invoking(gpu => gpu.GetMigMode()).Should().Throw<NvmlException>();

        Wait(set.Value).Should().Be(new Event(nvmlReturn_t.NVML_SUCCESS, 8, 79, uint.MaxValue, uint.MaxValue));
        Wait(set.Value).Result.Should().Be(nvmlReturn_t.NVML_ERROR_GPU_IS_LOST);
        Wait(other.Value).Result.Should().Be(nvmlReturn_t.NVML_ERROR_TIMEOUT);

        machine.Simulator.ResetGpu(0);
        Wait(set.Value).Result.Should().Be(nvmlReturn_t.NVML_ERROR_TIMEOUT);
        LibNvml.nvmlEventSetFree(set);
        LibNvml.nvmlEventSetFree(other);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("A100-SXM4-40GB*2")]
    public void A_waiting_reader_gets_events_after_a_reset(string? gpus)
    {
        using TemporaryFolder folder = new();
        using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB", folder.File("machine"));
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        simulator.RaiseXid(0, 31);
        simulator.RaiseXid(0, 43);
        nvmlEventSet_t set = Watch(8);

        NvmlSimulator.Reset(folder.File("machine"), gpus);
        simulator.RaiseXid(0, 79);

        Wait(set.Value).Data.Should().Be(79);
        LibNvml.nvmlEventSetFree(set);
    }

    [Fact]
    public void Instances_that_somebody_else_destroys_are_events_each()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance half = machine.Create("3g.20gb");
        half.CreateComputeInstance(half.GetComputeInstanceProfile("1c"));
        half.CreateComputeInstance(half.GetComputeInstanceProfile("1c"));
        nvmlEventSet_t set = Watch(0x100);
        machine.Simulator.SetFaults(
            NvmlFault.DestroyComputeInstance("nvmlDeviceGetMigMode", 0, half.Id, 0),
            NvmlFault.DestroyComputeInstance("nvmlDeviceGetMigMode", 0, half.Id, 0) with { Nth = 2 },
            NvmlFault.DestroyGpuInstance("nvmlDeviceGetMigMode", 0, half.Id) with { Nth = 3 });

        machine.Gpu.GetMigMode();
        Changes().Should().Be(1);
        machine.Gpu.GetMigMode();
        Changes().Should().Be(0, "it was gone already");
        machine.Gpu.GetMigMode();
        Changes().Should().Be(2, "a compute instance goes before its GPU instance");
        LibNvml.nvmlEventSetFree(set);

        int Changes()
        {
            int changes = 0;
            while (Wait(set.Value).Result == nvmlReturn_t.NVML_SUCCESS)
                changes++;
            return changes;
        }
    }

    [Fact]
    public void Old_names_fill_what_the_old_structs_have_and_no_more()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        nvmlPciInfo_t newest;
        LibNvml.nvmlDeviceGetPciInfo_v3(Device(0), &newest).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        byte[] wanted = new ReadOnlySpan<byte>(&newest, 36).ToArray();

        foreach ((string function, int size) in new[] { ("nvmlDeviceGetPciInfo_v2", 36), ("nvmlDeviceGetPciInfo", 32) })
        {
            byte[] old = Enumerable.Repeat((byte)0xEE, sizeof(nvmlPciInfo_t)).ToArray();
            fixed (byte* info = old)
                ((delegate* unmanaged<nint, byte*, nvmlReturn_t>)Export(function))(Gpu(0), info).Should().Be(nvmlReturn_t.NVML_SUCCESS);
            old[..size].Should().Equal(wanted[..size]);
            old[size..].Should().OnlyContain(b => b == 0xEE);
        }

        nvmlEventSet_t set = Watch(8);
        machine.Simulator.RaiseXid(0, 79);
        ulong* data = stackalloc ulong[4];
        data[3] = 42;
        ((delegate* unmanaged<nint, ulong*, uint, nvmlReturn_t>)Export("nvmlEventSetWait"))(set.Value, data, 20)
            .Should().Be(nvmlReturn_t.NVML_SUCCESS);
        (data[0], data[1], data[2], data[3]).Should().Be(((ulong)Gpu(0), 8ul, 79ul, 42ul));
        LibNvml.nvmlEventSetFree(set);
    }

    [Fact]
    public void Without_the_monitor_capability_no_compute_instance_is_told()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Create("3g.20gb").CreateComputeInstance();
        machine.Simulator.SetPrivileges(SimulatedPrivileges.None);
        nvmlGpuInstance_t instance;
        nvmlComputeInstance_t compute;
        uint count;
        LibNvml.nvmlDeviceGetGpuInstanceById(Device(0), 2, &instance).Should().Be(nvmlReturn_t.NVML_SUCCESS);

        LibNvml.nvmlGpuInstanceGetComputeInstances(instance, 2, &compute, &count).Should().Be(nvmlReturn_t.NVML_ERROR_NO_PERMISSION);
        LibNvml.nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute).Should().Be(nvmlReturn_t.NVML_ERROR_NO_PERMISSION);
    }

    [Fact]
    public void Events_of_instances_need_the_monitor_capability()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        nvmlEventSet_t set;
        LibNvml.nvmlEventSetCreate(&set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlDeviceRegisterEvents(Device(0), 8, set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        machine.Simulator.SetPrivileges(SimulatedPrivileges.None);
        machine.Simulator.RaiseXid(0, 94, device);
        machine.Simulator.RaiseXid(0, 63);

        Wait(set.Value).Data.Should().Be(63);
        Wait(set.Value).Result.Should().Be(nvmlReturn_t.NVML_ERROR_TIMEOUT);
        LibNvml.nvmlEventSetFree(set);
    }

    [Fact]
    public void An_older_driver_does_not_know_the_newer_field_values()
    {
        nint library = NativeLibrary.Load(Nvmig.Stub470);
        ((delegate* unmanaged<nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlInit_v2"))().Should().Be(nvmlReturn_t.NVML_SUCCESS);
        nint gpu;
        nvmlFieldValue_t* fields = stackalloc nvmlFieldValue_t[2];
        (fields[0].fieldId, fields[1].fieldId) = (1, LibNvml.NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED);

        ((delegate* unmanaged<uint, nint*, nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlDeviceGetHandleByIndex_v2"))(0, &gpu);
        ((delegate* unmanaged<nint, int, nvmlFieldValue_t*, nvmlReturn_t>)NativeLibrary.GetExport(
            library, "nvmlDeviceGetFieldValues"))(gpu, 2, fields)
            .Should().Be(nvmlReturn_t.NVML_SUCCESS);
        ((delegate* unmanaged<nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlShutdown"))();

        (fields[0].nvmlReturn, fields[1].nvmlReturn).Should().Be((nvmlReturn_t.NVML_SUCCESS, nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT));
    }

    [Fact]
    public void Old_function_names_answer_on_a_slow_machine()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Create("3g.20gb").CreateComputeInstance();
        machine.Simulator.SetLatency(SimulatedLatency.Hardware);
        nvmlGpuInstance_t instance;
        nvmlComputeInstance_t compute;
        nvmlComputeInstanceInfo_t info;
        uint count;
        LibNvml.nvmlDeviceGetGpuInstanceById(Device(0), 2, &instance).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute).Should().Be(nvmlReturn_t.NVML_SUCCESS);

        ((delegate* unmanaged<nvmlComputeInstance_t, nvmlComputeInstanceInfo_t*, nvmlReturn_t>)Export(
            "nvmlComputeInstanceGetInfo"))(compute, &info)
            .Should().Be(nvmlReturn_t.NVML_SUCCESS);
        ((delegate* unmanaged<nint, uint, void*, uint*, nvmlReturn_t>)Export(
            "nvmlDeviceGetGpuInstancePossiblePlacements"))(Gpu(0), 19, null, &count)
            .Should().Be(nvmlReturn_t.NVML_SUCCESS);
        count.Should().Be(7);
    }

    [Fact]
    public void What_is_not_simulated_is_there_and_says_not_supported()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ((delegate* unmanaged<nint, uint*, nvmlReturn_t>)Export("nvmlDeviceGetFanSpeed"))(Gpu(0), null)
            .Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        ((delegate* unmanaged<nint, uint*, nvmlReturn_t>)Export("nvmlDeviceGetFanSpeed"))(42, null)
            .Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
    }

    /// <summary>A set for events of the first GPU.</summary>
    private static nvmlEventSet_t Watch(ulong types)
    {
        nvmlEventSet_t set;
        LibNvml.nvmlEventSetCreate(&set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlDeviceRegisterEvents(Device(0), types, set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        return set;
    }

    private static nint Export(string function) => NativeLibrary.GetExport(NativeLibrary.Load(StubControls.LibraryPath), function);

    private static nint Gpu(uint index) => Device(index).Value;

    private static nvmlDevice_t Device(uint index)
    {
        nvmlDevice_t device;
        LibNvml.nvmlDeviceGetHandleByIndex_v2(index, &device).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        return device;
    }

    private static nint MigDevice(uint index) => MigDeviceHandle(index).Value;

    private static nvmlDevice_t MigDeviceHandle(uint index)
    {
        nvmlDevice_t device;
        LibNvml.nvmlDeviceGetMigDeviceHandleByIndex(Device(0), index, &device).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        return device;
    }

    private static List<(uint Pid, ulong Memory, uint GpuInstance, uint ComputeInstance)> Processes(
        nint device, string function = "nvmlDeviceGetComputeRunningProcesses_v3")
    {
        byte* buffer = stackalloc byte[24 * 8];
        uint count = 8;
        ((delegate* unmanaged<nint, uint*, byte*, nvmlReturn_t>)Export(function))(device, &count, buffer)
            .Should().Be(nvmlReturn_t.NVML_SUCCESS);
        List<(uint, ulong, uint, uint)> processes = [];
        for (uint i = 0; i < count; i++)
        {
            byte* p = buffer + (24 * i);
            processes.Add((*(uint*)p, *(ulong*)(p + 8), *(uint*)(p + 16), *(uint*)(p + 20)));
        }

        return processes;
    }

    private static (ulong Total, ulong Reserved, ulong Used) Memory(nint device)
    {
        ulong* memory = stackalloc ulong[5];
        *memory = 0x02000028;
        ((delegate* unmanaged<nint, ulong*, nvmlReturn_t>)Export("nvmlDeviceGetMemoryInfo_v2"))(device, memory)
            .Should().Be(nvmlReturn_t.NVML_SUCCESS);
        return (memory[1], memory[2], memory[4]);
    }

    /// <summary>Two samples of a GPU instance and their metric 1, graphics activity.</summary>
    private static (nvmlReturn_t Result, double Percent) Activity(int gpuInstance)
    {
        nint* samples = stackalloc nint[2];
        nvmlReturn_t result = default;
        for (int i = 0; i < 2; i++)
        {
            ((delegate* unmanaged<nint*, nvmlReturn_t>)Export("nvmlGpmSampleAlloc"))(samples + i).Should().Be(nvmlReturn_t.NVML_SUCCESS);
            result = ((delegate* unmanaged<nint, uint, nint, nvmlReturn_t>)Export("nvmlGpmMigSampleGet"))(
                Gpu(0), (uint)gpuInstance, samples[i]);
        }

        byte[] metrics = new byte[13344];
        double percent = 0;
        fixed (byte* get = metrics)
        {
            ((uint*)get)[0] = 1;
            ((uint*)get)[1] = 1;
            ((nint*)get)[1] = samples[0];
            ((nint*)get)[2] = samples[1];
            ((uint*)get)[6] = 1;
            if (result == nvmlReturn_t.NVML_SUCCESS)
                result = ((delegate* unmanaged<byte*, nvmlReturn_t>)Export("nvmlGpmMetricsGet"))(get);
            percent = *(double*)(get + 32);
        }

        for (int i = 0; i < 2; i++)
            ((delegate* unmanaged<nint, nvmlReturn_t>)Export("nvmlGpmSampleFree"))(samples[i]).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        return (result, percent);
    }

    private static Event Wait(nint set)
    {
        ulong* data = stackalloc ulong[4];
        new Span<ulong>(data, 4).Clear();
        nvmlReturn_t result = ((delegate* unmanaged<nint, ulong*, uint, nvmlReturn_t>)Export("nvmlEventSetWait_v2"))(set, data, 20);
        return new Event(result, data[1], data[2], ((uint*)data)[6], ((uint*)data)[7]);
    }

    private sealed record Event(nvmlReturn_t Result, ulong Type, ulong Data, uint GpuInstance, uint ComputeInstance);
}
