namespace Nvml.Mig.Tests.Simulator;

public class ModeAndClientsTests
{
    [Fact]
    public void On_ampere_mig_mode_waits_for_clients_and_a_reset()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB", migEnabled: false);
        IDisposable training = machine.Simulator.StartProcess(0, 4711, "python3");

        machine.Gpu.EnableMig().Should().Be(new MigModeChange(MigModeOutcome.Pending, NvmlReturnCode.InUse));
        machine.Gpu.GetMigMode().Should().Be(new MigMode(Current: false, Pending: true));
        FluentActions.Invoking(() => machine.Create("1g.5gb")).Should().Throw<NvmlNotSupportedException>("the old mode still holds");
        FluentActions.Invoking(() => machine.Simulator.ResetGpu(0)).Should().Throw<NvmlInUseException>();

        training.Dispose();
        machine.Simulator.ResetGpu(0);

        machine.Gpu.GetMigMode().Should().Be(new MigMode(Current: true, Pending: true));
    }

    [Fact]
    public void A_pending_mode_can_be_taken_back()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB", migEnabled: false);
        using IDisposable monitoring = machine.Simulator.HoldGpu(0);
        machine.Gpu.EnableMig().Outcome.Should().Be(MigModeOutcome.Pending);

        machine.Gpu.DisableMig().Outcome.Should().Be(MigModeOutcome.Activated);

        machine.Gpu.GetMigMode().Should().Be(new MigMode(Current: false, Pending: false));
    }

    [Fact]
    public void In_a_virtual_machine_an_ampere_cannot_be_reset()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB+vm", migEnabled: false);

        machine.Gpu.EnableMig().Should().Be(new MigModeChange(MigModeOutcome.Pending, NvmlReturnCode.NotSupported));
        FluentActions.Invoking(() => machine.Simulator.ResetGpu(0)).Should().Throw<NvmlNotSupportedException>();
        machine.Simulator.Reboot();
        machine.Gpu.GetMigMode().Current.Should().BeTrue();
    }

    [Fact]
    public void Hopper_enables_at_once_and_waits_for_clients_only_to_disable()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        using (machine.Simulator.StartProcess(0, 4711, "python3"))
        {
            machine.Gpu.EnableMig().Outcome.Should().Be(MigModeOutcome.Activated);
            FluentActions.Invoking(() => machine.Create("1g.18gb")).Should().Throw<NvmlInUseException>("a process has the whole GPU");
        }

        using (machine.Simulator.HoldGpu(0))
            machine.Gpu.DisableMig().Should().Be(new MigModeChange(MigModeOutcome.Pending, NvmlReturnCode.InUse));
    }

    [Theory]
    [InlineData("A100-SXM4-40GB", true)]
    [InlineData("A30", true)]
    [InlineData("H200", false)]
    [InlineData("RTX-PRO-6000-Server", false)]
    public void A_reboot_ends_instances_and_may_keep_the_mode(string model, bool kept)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfiles()[0]);

        machine.Simulator.Reboot();

        machine.Gpu.GetMigMode().Current.Should().Be(kept);
        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void What_a_process_uses_cannot_be_destroyed_and_the_rest_can()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance used = machine.Create("3g.20gb");
        ComputeInstance inside = used.CreateComputeInstance();
        GpuInstance idle = machine.Create("1g.5gb");
        using (machine.Simulator.StartProcess(inside.GetMigDevice(), 4711, "python3"))
        {
            inside.Invoking(c => c.Destroy()).Should().Throw<NvmlInUseException>().Which.IsTransient.Should().BeTrue();
            used.Invoking(g => g.Destroy()).Should().Throw<NvmlInUseException>();
            idle.Destroy();
        }

        inside.Destroy();
        used.Destroy();
    }

    [Fact]
    public void Who_looked_into_one_instance_keeps_that_one()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance held = machine.Create("3g.20gb");
        ComputeInstance inside = held.CreateComputeInstance();
        GpuInstance other = machine.Create("1g.5gb");
        using (machine.Simulator.HoldGpuInstance(held))
        {
            other.Destroy();
            inside.Destroy();
            held.Invoking(g => g.Destroy()).Should().Throw<NvmlInUseException>();
            held.GetComputeInstances().Should().BeEmpty("the failed destroy came too late for it");
        }

        held.Destroy();
    }

    [Fact]
    public void Holders_let_go_one_by_one()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance held = machine.Create("3g.20gb");
        IDisposable first = machine.Simulator.HoldGpuInstance(held);
        using IDisposable second = machine.Simulator.HoldGpuInstance(held);

        first.Dispose();

        held.Invoking(g => g.Destroy()).Should().Throw<NvmlInUseException>();
    }

    [Fact]
    public void A_holder_of_the_gpu_does_not_keep_later_instances()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using IDisposable monitoring = machine.Simulator.HoldGpu(0);

        machine.Create("3g.20gb").Destroy();
    }

    [Fact]
    public void A_process_on_the_whole_gpu_only_bars_the_first_instance()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance first = machine.Create("1g.18gb");
        using IDisposable training = machine.Simulator.StartProcess(0, 4711, "python3");

        machine.Create("1g.18gb").Destroy();
        first.Destroy();

        FluentActions.Invoking(() => machine.Create("1g.18gb")).Should().Throw<NvmlInUseException>();
    }

    [Theory]
    [InlineData("A100-SXM4-40GB")]
    [InlineData("H200")]
    public void A_reset_restores_instances_with_the_same_ids(string model)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        GpuInstance instance = machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("9"));
        string uuid = instance.CreateComputeInstance().GetMigDevice().Uuid;

        machine.Simulator.ResetGpu(0);

        machine.Gpu.GetGpuInstances().Should().ContainSingle().Which.Id.Should().Be(instance.Id);
        machine.Gpu.GetMigDevices().Should().ContainSingle().Which.Uuid.Should().Be(uuid);
    }

    [Theory]
    [InlineData("A100-SXM4-40GB", true)]
    [InlineData("H200", false)]
    public void Reloading_the_module_loses_instances(string model, bool staysEnabled)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("9"));
        using (machine.Simulator.HoldGpu(0))
            machine.Simulator.Invoking(s => s.ReloadModule()).Should().Throw<NvmlInUseException>();

        machine.Simulator.ReloadModule();

        machine.Gpu.GetMigMode().Current.Should().Be(staysEnabled);
        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void The_config_capability_changes_instances_not_the_mode()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetPrivileges(SimulatedPrivileges.Config);

        machine.Create("1g.5gb").Destroy();
        machine.Gpu.Invoking(g => g.DisableMig()).Should().Throw<NvmlNoPermissionException>();
    }

    [Fact]
    public void A_holder_that_shows_nowhere_keeps_what_there_is()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("1g.5gb");
        using (machine.Simulator.HoldGpu(0))
            instance.Invoking(g => g.Destroy()).Should().Throw<NvmlInUseException>().WithMessage("*a monitoring service such as DCGM*");

        instance.Destroy();
    }

    [Fact]
    public void Without_privileges_nothing_changes()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("1g.5gb");

        machine.Simulator.SetPrivileges(SimulatedPrivileges.Monitor);
        machine.Gpu.GetGpuInstances().Should().ContainSingle().Which.GetComputeInstances().Should().BeEmpty();
        foreach (Action change in (Action[])[
            () => machine.Create("1g.5gb"), instance.Destroy, () => instance.CreateComputeInstance(), () => machine.Gpu.DisableMig()])
            change.Should().Throw<NvmlNoPermissionException>()
                .WithMessage("*(NVML_ERROR_NO_PERMISSION, 4, from nvml*). This takes root, or the MIG capability: *");

        machine.Simulator.SetPrivileges(SimulatedPrivileges.None);
        machine.Gpu.GetGpuInstances().Should().ContainSingle();
        instance.Invoking(i => i.GetComputeInstances()).Should().Throw<NvmlNoPermissionException>();
        machine.Gpu.GetMigMode().Current.Should().BeTrue();
    }

    [Fact]
    public void A_process_ends_with_the_simulator_that_started_it()
    {
        using TemporaryFolder folder = new();
        string file = folder.File("machine");
        using (NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB", file))
        {
            simulator.StartProcess(0, 4711, "train");
            simulator.HoldGpu(0);
        }

        using NvmlSimulator next = NvmlSimulator.Start("A100-SXM4-40GB", file);
        next.ResetGpu(0); // refused while somebody uses it
        using NvmlSession session = NvmlSession.Open(next.LibraryPath);
        session.Devices[0].GetProcesses().Should().BeEmpty();
    }

    [Fact]
    public void A_process_has_a_number_and_no_less_memory_than_none()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("1g.5gb").CreateComputeInstance().GetMigDevice();

        foreach (Action start in (Action[])
        [
            () => machine.Simulator.StartProcess(0, 0, "train"),
            () => machine.Simulator.StartProcess(0, -1, "train"),
            () => machine.Simulator.StartProcess(device, 0, "train"),
            () => machine.Simulator.StartProcess(0, 1, "train", memoryMiB: -1),
            () => machine.Simulator.StartProcess(device, 1, "train", memoryMiB: -1),
        ])
        {
            start.Should().Throw<ArgumentOutOfRangeException>();
        }
    }

    [Fact]
    public void A_gpu_has_8_processes_at_most_with_names_of_23_bytes()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        for (int pid = 1; pid <= 8; pid++)
            machine.Simulator.StartProcess(0, pid, "a-process-with-a-long-name");

        machine.Simulator.Invoking(s => s.StartProcess(0, 9, "train"))
            .Should().Throw<NvmlException>().Which.Code.Should().Be(NvmlReturnCode.InsufficientSize);
        machine.Simulator.Invoking(s => s.HoldGpu(0))
            .Should().Throw<NvmlException>().Which.Code.Should().Be(NvmlReturnCode.InsufficientSize);
        machine.Gpu.GetProcesses()[0].Name.Should().Be("a-process-with-a-long-n");
    }
}
