using System.Runtime.InteropServices;
using System.Text;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>Readings of a board for other clients. The answers of an H200 were measured, driver 580.159.04.</summary>
public unsafe class BoardTests
{
    [Fact]
    public void Every_model_has_total_memory_and_bar1()
    {
        foreach (SimulatedModel model in NvmlSimulator.Models.Where(m => m.IsSimulated))
        {
            using SimulatedGpu machine = SimulatedGpu.Start(model.Key, migEnabled: false);

            machine.Gpu.GetMemory().TotalBytes.Should().Be((long)model.MemoryMiB! << 20, model.Key);
            machine.Gpu.GetBar1Memory().TotalBytes.Should().Be((long)model.Bar1MiB! << 20, model.Key);
        }
    }

    [Theory]
    [InlineData("A100-SXM4-40GB", 65536, false)]
    [InlineData("A800-SXM4-40GB", 65536, true)]
    [InlineData("H100-SXM5-80GB", 131072, false)]
    [InlineData("H200-NVL", 262144, true)]
    public void Bar1_is_the_power_of_two_above_the_memory(string key, int mebibytes, bool isDerived) =>
        NvmlSimulator.Models.Single(m => m.Key == key).Should().BeEquivalentTo(new { Bar1MiB = mebibytes, IsBar1Derived = isDerived });

    [Fact]
    public void An_h200_answers_as_measured()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        uint* two = stackalloc uint[2];

        ((delegate* unmanaged<nint, uint*, uint*, int>)Export("nvmlDeviceGetEccMode"))(Gpu(0), two, two + 1).Should().Be(0);
        (two[0], two[1]).Should().Be((1u, 1u));
        Ask("nvmlDeviceGetDisplayActive").Should().Be((0, 0u));
        Ask("nvmlDeviceGetPerformanceState").Should().Be((0, 0u));
        Ask("nvmlDeviceGetPowerManagementLimit").Should().Be((0, 700000u));
        Ask("nvmlDeviceGetAddressingMode", 0x01000008).Should().Be((0, 0x01000008u));
        Ask("nvmlDeviceGetAddressingMode", 0x01000007).Should().Be((25, 0x01000007u), "the version is told apart, and stays");
        Ask("nvmlDeviceGetPdi", 0x01000010).Result.Should().Be(0);
        Ask("nvmlDeviceGetPdi").Result.Should().Be(25);
    }

    [Fact]
    public void The_extended_pci_information_names_the_class()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        uint* pci = stackalloc uint[16];
        pci[0] = 0x01000040;

        ((delegate* unmanaged<nint, uint*, int>)Export("nvmlDeviceGetPciInfoExt"))(Gpu(0), pci).Should().Be(0);

        (pci[0], pci[4], pci[6], pci[7]).Should().Be((0x01000040u, 0x233510DEu, 3u, 2u));
        Marshal.PtrToStringUTF8((nint)(pci + 8)).Should().Be("00000000:07:00.0");
    }

    [Fact]
    public void A_gpu_has_a_way_to_the_others_and_none_to_itself()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*2", migEnabled: false);
        uint level;
        var ancestor = (delegate* unmanaged<nint, nint, uint*, int>)Export("nvmlDeviceGetTopologyCommonAncestor");

        ancestor(Gpu(0), Gpu(0), &level).Should().Be(3);
        ancestor(Gpu(0), 0, &level).Should().Be(2);
        ancestor(Gpu(0), Gpu(1), &level).Should().Be(0);
    }

    [Fact]
    public void Persistence_mode_is_set_by_an_admin()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        var set = (delegate* unmanaged<nint, uint, int>)Export("nvmlDeviceSetPersistenceMode");

        set(Gpu(0), 0).Should().Be(0);
        machine.Gpu.GetPersistenceMode().Should().BeFalse();
        set(Gpu(0), 2).Should().Be(2);
        machine.Simulator.SetPrivileges(SimulatedPrivileges.Config);
        set(Gpu(0), 1).Should().Be(4);
    }

    [Fact]
    public void Compute_mode_is_set_by_an_admin()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        var set = (delegate* unmanaged<nint, ComputeMode, int>)Export("nvmlDeviceSetComputeMode");

        set(Gpu(0), ComputeMode.ExclusiveProcess).Should().Be(0);
        machine.Gpu.GetComputeMode().Should().Be(ComputeMode.ExclusiveProcess);
        set(Gpu(0), (ComputeMode)4).Should().Be(2);
        set(Gpu(0), ComputeMode.ExclusiveThread).Should().Be(3);
        machine.Simulator.Reboot();
        machine.Gpu.GetComputeMode().Should().Be(ComputeMode.Default);
        machine.Gpu.EnableMig();
        set(Gpu(0), ComputeMode.ExclusiveProcess).Should().Be(3);
        machine.Simulator.SetPrivileges(SimulatedPrivileges.Config);
        set(Gpu(0), ComputeMode.Default).Should().Be(4);
    }

    [Fact]
    public void A_mig_device_is_found_by_its_old_name()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        nint found;
        byte[] name = Encoding.UTF8.GetBytes($"MIG-{machine.Gpu.Uuid}/{device.GpuInstanceId}/{device.ComputeInstanceId}\0");
        byte[] other = Encoding.UTF8.GetBytes($"MIG-{machine.Gpu.Uuid}/{device.GpuInstanceId}/7\0");
        var find = (delegate* unmanaged<byte*, nint*, int>)Export("nvmlDeviceGetHandleByUUID");

        fixed (byte* text = name)
            find(text, &found).Should().Be(0);
        fixed (byte* text = other)
            find(text, &found).Should().Be(6);
    }

    [Fact]
    public void Gpu_uuids_are_not_of_version_5_and_mig_uuids_are()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*32");

        machine.Session.Devices.Select(d => d.Uuid[18]).Should().Contain(c => c != '5', "measured on two H200");
        machine.Create("1g.18gb").CreateComputeInstance().GetMigDevice().Uuid[18].Should().Be('5');
    }

    [Fact]
    public void The_numbers_of_capabilities_are_those_of_drivers()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();

        machine.Simulator.MigMinors.GetName(3 + (9 * device.GpuInstanceId)).Should().Be($"gpu0/gi{device.GpuInstanceId}/access");
    }

    private static (int Result, uint First) Ask(string function, uint version = 0)
    {
        ulong* room = stackalloc ulong[2];
        *(uint*)room = version;
        int result = ((delegate* unmanaged<nint, void*, int>)Export(function))(Gpu(0), room);
        return (result, *(uint*)room);
    }

    private static nint Gpu(uint index)
    {
        nint gpu;
        ((delegate* unmanaged<uint, nint*, int>)Export("nvmlDeviceGetHandleByIndex_v2"))(index, &gpu).Should().Be(0);
        return gpu;
    }

    private static nint Export(string function) => NativeLibrary.GetExport(NativeLibrary.Load(StubControls.LibraryPath), function);
}
