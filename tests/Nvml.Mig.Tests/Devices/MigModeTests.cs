namespace Nvml.Mig.Tests.Devices;

public class MigModeTests
{
    [Fact]
    public void A_new_machine_has_mig_disabled()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);

        machine.Gpu.GetMigMode().Should().Be(new MigMode(Current: false, Pending: false));
        machine.Gpu.IsMigCapable().Should().BeTrue();
        machine.Gpu.GetGpuInstances().Should().BeEmpty();
        machine.Gpu.GetMigDevices().Should().BeEmpty();
    }

    [Fact]
    public void Enabling_and_disabling_say_what_became_of_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);

        machine.Gpu.EnableMig().Should().Be(new MigModeChange(MigModeOutcome.Activated, NvmlReturnCode.Success));
        machine.Gpu.GetMigMode().ToString().Should().Be("Enabled");
        machine.Gpu.DisableMig().Outcome.Should().Be(MigModeOutcome.Activated);
        machine.Gpu.GetMigMode().ToString().Should().Be("Disabled");
    }

    [Fact]
    public void Disabling_with_instances_is_refused_and_changes_nothing()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Create("1g.5gb");

        machine.Gpu.DisableMig().Should().Be(new MigModeChange(MigModeOutcome.InUse, NvmlReturnCode.InUse));

        machine.Gpu.GetMigMode().Current.Should().BeTrue();
        machine.Gpu.GetGpuInstances().Should().ContainSingle();
    }

    [Fact]
    public void Reading_the_mode_is_one_native_call_and_allocates_nothing()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuDevice gpu = machine.Gpu;
        gpu.GetMigMode();
        long calls = machine.Simulator.GetCallCount();
        long bytes = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 100; i++)
            gpu.GetMigMode();

        (GC.GetAllocatedBytesForCurrentThread() - bytes).Should().Be(0);
        (machine.Simulator.GetCallCount() - calls).Should().Be(100);
    }

    [Fact]
    public void A_pending_mode_is_named_where_an_instance_needs_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        using (machine.Simulator.HoldGpu(0))
            machine.Gpu.EnableMig().Should().Be(new MigModeChange(MigModeOutcome.Pending, NvmlReturnCode.InUse));
        const string pending =
            "*MIG is enabled, but not active yet: reset the GPU (nvidia-smi --gpu-reset) once nothing uses it, or reboot.";
        GpuInstanceProfile half = machine.Gpu.GetGpuInstanceProfile("3g.20gb");

        machine.Gpu.Invoking(g => g.CreateGpuInstance(half)).Should().Throw<NvmlNotSupportedException>().WithMessage(pending);
        machine.Gpu.Invoking(g => g.CreateGpuInstance(half, new Placement(0, 4)))
            .Should().Throw<NvmlNotSupportedException>().WithMessage(pending);
        machine.Gpu.Invoking(g => g.OpenScoped(half)).Should().Throw<NvmlNotSupportedException>().WithMessage(pending);
    }

    [Fact]
    public void A_board_in_display_mode_is_told_about_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("RTX-PRO-6000-Workstation", migEnabled: false);
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceSetMigMode", NvmlReturnCode.NotSupported));

        machine.Gpu.Invoking(g => g.EnableMig())
            .Should().Throw<NvmlNotSupportedException>().WithMessage("*if it is in display mode, switch it *");
    }

    [Fact]
    public void A_gpu_without_mig_is_named()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("T4", migEnabled: false);

        machine.Gpu.Invoking(g => g.EnableMig()).Should().Throw<NvmlNotSupportedException>().WithMessage("*The GPU has no MIG mode.");
        machine.Gpu.Invoking(g => g.GetMigMode())
            .Should().Throw<NvmlNotSupportedException>().WithMessage("GPU 0 (GPU-*) cannot be divided: *");
    }
}
