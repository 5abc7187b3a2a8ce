namespace Nvml.Mig.Tests.Devices;

public class MemoryTests
{
    [Fact]
    public void A_refused_argument_does_not_make_a_device_gone()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        MigDevice device = machine.Create("3g.71gb").CreateComputeInstance().GetMigDevice();

        device.Invoking(d => d.GetEccErrorCount(EccErrorType.Uncorrected, (EccCounterType)2, EccMemoryLocation.Sram))
            .Should().Throw<NvmlException>()
            .Which.Code.Should().Be(NvmlReturnCode.InvalidArgument);
    }

    private const long MiB = 1024 * 1024;

    [Fact]
    public void What_the_driver_reserves_is_apart_from_what_is_used()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);

        // Measured on an idle H200.
        machine.Gpu.GetMemory().Should().Be(new GpuMemory(150754820096, 150109880320, 0, 644939776));
    }

    [Fact]
    public void Compute_instances_share_the_memory_of_their_gpu_instance()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance half = machine.Create("3g.71gb");
        ComputeInstanceProfile slice = half.GetComputeInstanceProfiles()[0];
        MigDevice first = half.CreateComputeInstance(slice).GetMigDevice();
        MigDevice second = half.CreateComputeInstance(slice).GetMigDevice();
        using IDisposable training = machine.Simulator.StartProcess(first, 4711, "python3", memoryMiB: 1000);

        first.GetMemory().TotalBytes.Should().Be(71424 * MiB);
        first.GetMemory().UsedBytes.Should().Be(1000 * MiB);
        second.GetMemory().Should().Be(first.GetMemory());
        machine.Gpu.GetMemory().UsedBytes.Should().Be(1000 * MiB);
    }

    [Fact]
    public void A_mig_device_has_its_share_of_the_bar1_window()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        machine.Create("3g.71gb").CreateComputeInstance().GetMigDevice().GetBar1Memory().TotalBytes.Should().Be((131072 - 1) * MiB);
        machine.Gpu.GetBar1Memory().TotalBytes.Should().Be(262144 * MiB);
    }

    [Fact]
    public void The_memory_of_a_gone_device_is_not_zero_but_an_error()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        ComputeInstance compute = machine.Create("3g.71gb").CreateComputeInstance();
        MigDevice device = compute.GetMigDevice();
        compute.Destroy();

        foreach (Action read in (Action[])[
            () => device.GetMemory(),
            () => device.GetBar1Memory(),
            () => device.GetProcesses(),
            () => device.GetAttributes(),
            () => device.GetIndex()])
            read.Should().Throw<NvmlNotFoundException>().WithMessage("MIG device MIG-* does not exist any more: it was destroyed.*");
    }
}
