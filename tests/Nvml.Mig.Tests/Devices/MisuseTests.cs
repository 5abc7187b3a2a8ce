namespace Nvml.Mig.Tests.Devices;

/// <summary>
/// The mistakes that are made most often, and what is said to them: what was wrong, on which GPU, and what to do about it. Mixing up
/// GPUs, GPU instances, compute instances and MIG devices, or the profiles of GPU and compute instances, does not compile.
/// </summary>
public class MisuseTests
{
    [Fact]
    public void Mistake_1_mig_is_not_enabled()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);

        FluentActions.Invoking(() => machine.Create("3g.20gb")).Should().Throw<NvmlNotSupportedException>()
            .WithMessage("Cannot create a GPU instance 3g.20gb (profile 9) on GPU 0 (GPU-*): Not Supported (NVML_ERROR_NOT_SUPPORTED, 3, "
                + "from nvmlDeviceCreateGpuInstance). MIG mode must be enabled first.");
    }

    [Fact]
    public void Mistake_2_small_instances_first_leave_no_large_place()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Create("1g.5gb", new Placement(0, 1));
        machine.Create("1g.5gb", new Placement(4, 1));

        FluentActions.Invoking(() => machine.Create("3g.20gb")).Should().Throw<NvmlInsufficientResourcesException>().WithMessage(
            "Cannot create a GPU instance 3g.20gb (profile 9) on GPU 0 (GPU-*): Insufficient Resources "
                + "(NVML_ERROR_INSUFFICIENT_RESOURCES, 23, from nvmlDeviceCreateGpuInstance). Every place for it is taken: 0:4 by 7 "
                + "(1g.5gb at 0:1); 4:4 by 11 (1g.5gb at 4:1). The order of creation decides where the driver puts instances: create "
                + "large ones first, or name placements.");
    }

    [Fact]
    public void Mistake_3_a_profile_of_another_model()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB,H200");

        machine.Session.Devices[1].Invoking(h200 => h200.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("3g.20gb")))
            .Should().Throw<ArgumentException>()
            .WithMessage("3g.20gb (profile 9) is not a profile of GPU 1 (GPU-*): take profiles from the GPU that you use them on.*");
    }

    [Fact]
    public void Mistake_4_a_profile_that_the_gpu_does_not_have()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();

        FluentActions.Invoking(() => machine.Create("3g.40gb")).Should().Throw<NvmlException>()
            .WithMessage("GPU 0 (GPU-*) has no GPU instance profile '3g.40gb' (NVML_ERROR_INVALID_ARGUMENT, 2). It has: 1g.5gb (19), "
                + "1g.5gb+me (20), 1g.10gb (15), 2g.10gb (14), 3g.20gb (9), 4g.20gb (5), 7g.40gb (0).");
    }

    [Fact]
    public void Mistake_5_a_place_where_the_profile_cannot_stand()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();

        FluentActions.Invoking(() => machine.Create("3g.20gb", new Placement(2, 4))).Should().Throw<NvmlException>()
            .WithMessage("Cannot create a GPU instance 3g.20gb (profile 9) at 2:4 on GPU 0 (GPU-*): Invalid Argument "
                + "(NVML_ERROR_INVALID_ARGUMENT, 2, from nvmlDeviceCreateGpuInstanceWithPlacement). The GPU has no such profile, or the "
                + "profile cannot be placed there.");
    }

    [Fact]
    public void Mistake_6_destroying_what_a_job_runs_on()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ComputeInstance compute = machine.Create("3g.20gb").CreateComputeInstance();
        using IDisposable training = machine.Simulator.StartProcess(compute.GetMigDevice(), 4711, "python3");

        compute.Invoking(c => c.Destroy()).Should().Throw<NvmlInUseException>()
            .WithMessage("Cannot destroy compute instance 0 (3g.20gb) of GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-*): In use by "
                + "another client (NVML_ERROR_IN_USE, 19, from nvmlComputeInstanceDestroy). It is used by process 4711 (python3): end "
                + "that first.");
    }

    [Fact]
    public void Mistake_7_destroying_a_gpu_instance_that_is_not_empty()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance half = machine.Create("3g.20gb");
        half.CreateComputeInstance();

        half.Invoking(h => h.Destroy()).Should().Throw<NvmlInUseException>()
            .WithMessage("Cannot destroy GPU instance 2 of GPU 0 (GPU-*): In use by another client (NVML_ERROR_IN_USE, 19, from "
                + "nvmlGpuInstanceDestroy). It still has compute instance 0: destroy that first.");
    }

    [Fact]
    public void Mistake_8_no_root_and_no_capability()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetPrivileges(SimulatedPrivileges.Monitor);

        FluentActions.Invoking(() => machine.Create("3g.20gb")).Should().Throw<NvmlNoPermissionException>()
            .WithMessage("Cannot create a GPU instance 3g.20gb (profile 9) on GPU 0 (GPU-*): Insufficient Permissions "
                + "(NVML_ERROR_NO_PERMISSION, 4, from nvmlDeviceCreateGpuInstance). This takes root, or the MIG capability: "
                + "/dev/nvidia-caps/nvidia-cap1 for changes, nvidia-cap2 for reading.");
    }

    [Fact]
    public void Mistake_9_keeping_an_instance_that_was_replaced()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance mine = machine.Create("1g.5gb", new Placement(0, 1));
        machine.Gpu.GetGpuInstance(mine.Id).Destroy();
        machine.Create("1g.5gb+me", new Placement(0, 1)).Id.Should().Be(mine.Id);

        mine.Invoking(m => m.Destroy()).Should().Throw<NvmlNotFoundException>()
            .WithMessage("GPU instance 7 (1g.5gb at 0:1) of GPU 0 (GPU-*) does not exist any more: it was destroyed. Another may stand "
                + "in its place now; list the instances again.");
        machine.Gpu.GetGpuInstances().Should().ContainSingle("the successor lives");
    }

    [Fact]
    public void Mistake_10_using_a_closed_session()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start();
        NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        GpuDevice gpu = session.Devices[0];
        session.Dispose();

        gpu.Invoking(g => g.GetMigMode()).Should().Throw<ObjectDisposedException>()
            .WithMessage("The NVML session was closed. Its GPUs and instances live on; open a new session to use them.*");
    }

    [Fact]
    public void Mistake_11_disabling_mig_while_there_are_instances()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        machine.Create("1g.18gb");

        machine.Gpu.DisableMig()
            .Should().Be(new MigModeChange(MigModeOutcome.InUse, NvmlReturnCode.InUse), "a refusal is an answer, not an accident");
        machine.Gpu.GetMigMode().Current.Should().BeTrue();
    }
}
