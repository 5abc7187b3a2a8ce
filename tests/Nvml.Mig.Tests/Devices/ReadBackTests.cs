namespace Nvml.Mig.Tests.Devices;

/// <summary>The result of a change is read back before it is reported: a success can have done nothing, a failure everything.</summary>
public class ReadBackTests
{
    [Fact]
    public void A_gpu_instance_that_remains_is_not_destroyed()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlGpuInstanceDestroy", NvmlReturnCode.Success));

        instance.Invoking(i => i.Destroy()).Should().Throw<NvmlException>().WithMessage(
            "GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-*) remains, although nvmlGpuInstanceDestroy returned NVML_SUCCESS. *")
            .Which.Code.Should().Be(NvmlReturnCode.Unknown);

        instance.Exists().Should().BeTrue();
        instance.Destroy();
        instance.Exists().Should().BeFalse();
    }

    [Fact]
    public void A_compute_instance_that_remains_is_not_destroyed()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ComputeInstance instance = machine.Create("3g.20gb").CreateComputeInstance();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlComputeInstanceDestroy", NvmlReturnCode.Success));

        instance.Invoking(i => i.Destroy()).Should().Throw<NvmlException>().WithMessage("compute instance 0 *remains, although *");

        instance.Exists().Should().BeTrue();
    }

    [Fact]
    public void A_failed_destruction_that_took_effect_says_so()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        ComputeInstance inside = instance.CreateComputeInstance();
        machine.Simulator.SetFaults(Late("nvmlComputeInstanceDestroy"), Late("nvmlGpuInstanceDestroy"));

        inside.Invoking(i => i.Destroy())
            .Should().Throw<NvmlException>().WithMessage("Cannot destroy compute instance 0 *. It is gone all the same.");
        instance.Invoking(i => i.Destroy())
            .Should().Throw<NvmlException>().WithMessage("Cannot destroy GPU instance 2 *. It is gone all the same.");

        machine.Gpu.GetGpuInstances().Should().BeEmpty();
        instance.Invoking(i => i.Destroy()).Should().Throw<NvmlNotFoundException>();
    }

    [Fact]
    public void A_destruction_answered_with_not_found_is_not_gone()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlGpuInstanceDestroy", NvmlReturnCode.NotFound));

        instance.Invoking(i => i.Destroy()).Should().Throw<NvmlException>().Which.Should().NotBeOfType<NvmlNotFoundException>();

        machine.Gpu.GetGpuInstances().Should().ContainSingle();
    }

    [Theory]
    [InlineData("nvmlGpuInstanceDestroy")]
    [InlineData("nvmlComputeInstanceDestroy")]
    public void A_scope_does_not_end_with_an_instance_that_remains(string function)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ScopedGpuInstance slice = machine.Gpu.OpenScoped(machine.Gpu.GetGpuInstanceProfile("3g.20gb"));
        machine.Simulator.SetFaults(NvmlFault.Return(function, NvmlReturnCode.Success));

        slice.Invoking(s => s.Dispose()).Should().Throw<NvmlException>().WithMessage("The scoped GPU instance 2 *remains*");
        machine.Gpu.GetGpuInstances().Should().ContainSingle();

        slice.Dispose();
        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void A_scope_ends_with_an_instance_that_a_failure_destroyed()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ScopedGpuInstance slice = machine.Gpu.OpenScoped(machine.Gpu.GetGpuInstanceProfile("3g.20gb"));
        machine.Simulator.SetFaults(Late("nvmlComputeInstanceDestroy"), Late("nvmlGpuInstanceDestroy"));

        slice.Dispose();

        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void A_mode_that_is_as_before_is_not_set()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceSetMigMode", NvmlReturnCode.Success));

        machine.Gpu.Invoking(g => g.EnableMig()).Should().Throw<NvmlException>()
            .WithMessage("The MIG mode of GPU 0 (GPU-*) is still Disabled, although nvmlDeviceSetMigMode returned NVML_SUCCESS. *");

        machine.Gpu.EnableMig().Outcome.Should().Be(MigModeOutcome.Activated);
    }

    [Fact]
    public void A_failure_that_set_the_mode_says_so()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        machine.Simulator.SetFaults(Late("nvmlDeviceSetMigMode"));

        machine.Gpu.Invoking(g => g.EnableMig())
            .Should().Throw<NvmlException>().WithMessage("Cannot enable MIG *. The mode is Enabled all the same.");
    }

    [Fact]
    public void A_mode_is_read_back_with_one_call()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        _ = machine.Gpu.Uuid;
        long before = machine.Simulator.GetCallCount();

        machine.Gpu.EnableMig();

        (machine.Simulator.GetCallCount() - before).Should().Be(2);
    }

    [Fact]
    public void A_creation_that_did_nothing_is_no_instance()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstance", NvmlReturnCode.Success));

        FluentActions.Invoking(() => machine.Create("3g.20gb"))
            .Should().Throw<NvmlException>().Which.Function.Should().Be("nvmlGpuInstanceGetInfo");

        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void A_failed_creation_says_whether_it_took_effect()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstance", NvmlReturnCode.Unknown));
        FluentActions.Invoking(() => machine.Create("3g.20gb")).Should().Throw<NvmlException>().WithMessage("*. It was not created.");

        machine.Simulator.SetFaults(Late("nvmlDeviceCreateGpuInstance"));
        FluentActions.Invoking(() => machine.Create("3g.20gb")).Should().Throw<NvmlException>()
            .WithMessage(
                "*It may have been created all the same: there is GPU instance 2 of GPU 0 (GPU-*) at 4:4. Destroy it if it is new and "
                + "not wanted.");

        machine.Simulator.SetFaults(Late("nvmlGpuInstanceCreateComputeInstance"));
        machine.Gpu.GetGpuInstance(2).Invoking(i => i.CreateComputeInstance()).Should().Throw<NvmlException>()
            .WithMessage("*It may have been created all the same: there is compute instance 0 at 0:3. *");
    }

    [Theory]
    [InlineData("nvmlDeviceCreateGpuInstance", false)]
    [InlineData("nvmlGpuInstanceCreateComputeInstance", false)]
    [InlineData("nvmlComputeInstanceDestroy", true)]
    [InlineData("nvmlGpuInstanceDestroy", true)]
    [InlineData("nvmlDeviceSetMigMode", true)]
    public void The_state_after_a_failure_hides_no_remedy(string function, bool afterEffect)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return(function, NvmlReturnCode.GpuIsLost) with { AfterEffect = afterEffect });

        machine.Gpu.Invoking(gpu =>
        {
            GpuInstance instance = machine.Create("3g.20gb");
            instance.CreateComputeInstance(instance.GetComputeInstanceProfile("3g.20gb")).Destroy();
            instance.Destroy();
            gpu.DisableMig();
        }).Should().Throw<NvmlException>().WithMessage("*(NVML_ERROR_GPU_IS_LOST, *). The GPU no longer answers: * or reboot. *");
    }

    [Theory]
    [InlineData("nvmlGpuInstanceGetInfo", NvmlReturnCode.InsufficientResources)]
    [InlineData("nvmlGpuInstanceGetInfo", NvmlReturnCode.InvalidArgument)]
    [InlineData("nvmlComputeInstanceGetInfo_v2", NvmlReturnCode.Unknown)]
    public void One_failed_read_loses_no_new_instance(string function, NvmlReturnCode code)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return(function, code));

        GpuInstance instance = machine.Create("3g.20gb");
        ComputeInstance inside = instance.CreateComputeInstance(instance.GetComputeInstanceProfile("3g.20gb"));

        (instance.Id, inside.Id).Should().Be((2, 0));
    }

    private static NvmlFault Late(string function) => NvmlFault.Return(function, NvmlReturnCode.Unknown) with { AfterEffect = true };
}
