using System.Runtime.InteropServices;
using Nvml.Mig.Interop;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>What the simulated driver tells other clients than ours, which does not ask for it yet: called by name, as they do.</summary>
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
    public void A_change_of_the_layout_is_an_event_and_so_is_an_xid()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        nint set;
        ((delegate* unmanaged<nint*, nvmlReturn_t>)Export("nvmlEventSetCreate"))(&set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        ((delegate* unmanaged<nint, ulong, nint, nvmlReturn_t>)Export("nvmlDeviceRegisterEvents"))(Gpu(0), 0x108, set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
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
        ((delegate* unmanaged<nint, ulong, nint, nvmlReturn_t>)Export("nvmlDeviceRegisterEvents"))(Gpu(0), 0x100, set).Should().Be(nvmlReturn_t.NVML_SUCCESS);

        nvmig.Run("enable").ExitCode.Should().Be(0);

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
    public void What_is_not_simulated_is_there_and_says_not_supported()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ((delegate* unmanaged<nint, uint*, nvmlReturn_t>)Export("nvmlDeviceGetFanSpeed"))(Gpu(0), null).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        ((delegate* unmanaged<nint, uint*, nvmlReturn_t>)Export("nvmlDeviceGetFanSpeed"))(42, null).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
    }

    private static nint Export(string function) => NativeLibrary.GetExport(NativeLibrary.Load(StubControls.LibraryPath), function);

    private static nint Gpu(uint index)
    {
        nvmlDevice_t device;
        LibNvml.nvmlDeviceGetHandleByIndex_v2(index, &device).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        return device.Value;
    }

    private static nint MigDevice(uint index)
    {
        nvmlDevice_t gpu;
        nvmlDevice_t device;
        LibNvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu);
        LibNvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index, &device).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        return device.Value;
    }

    private static List<(uint Pid, ulong Memory, uint GpuInstance, uint ComputeInstance)> Processes(nint device)
    {
        byte* buffer = stackalloc byte[24 * 8];
        uint count = 8;
        ((delegate* unmanaged<nint, uint*, byte*, nvmlReturn_t>)Export("nvmlDeviceGetComputeRunningProcesses_v3"))(device, &count, buffer)
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
        ((delegate* unmanaged<nint, ulong*, nvmlReturn_t>)Export("nvmlDeviceGetMemoryInfo_v2"))(device, memory).Should().Be(nvmlReturn_t.NVML_SUCCESS);
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
            result = ((delegate* unmanaged<nint, uint, nint, nvmlReturn_t>)Export("nvmlGpmMigSampleGet"))(Gpu(0), (uint)gpuInstance, samples[i]);
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
