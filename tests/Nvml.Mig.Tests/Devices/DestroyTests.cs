namespace Nvml.Mig.Tests.Devices;

public class DestroyTests
{
    [Fact]
    public void A_gpu_instance_with_compute_instances_is_refused_by_name()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        instance.CreateComputeInstance();

        instance.Invoking(i => i.Destroy()).Should().Throw<NvmlInUseException>()
            .WithMessage("Cannot destroy GPU instance 2 of GPU 0 (GPU-*): In use by another client (NVML_ERROR_IN_USE, 19, from "
                + "nvmlGpuInstanceDestroy). It still has compute instance 0: destroy that first.")
            .Which.IsTransient.Should().BeFalse("waiting does not remove the compute instance");
        machine.Gpu.GetGpuInstances().Should().ContainSingle();
    }

    [Fact]
    public void After_its_destruction_an_object_reaches_no_driver()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        ComputeInstance inside = instance.CreateComputeInstance();
        inside.Destroy();
        instance.Destroy();
        long calls = machine.Simulator.GetCallCount();

        Action[] uses =
        [
            instance.Destroy, () => instance.CreateComputeInstance(), () => instance.GetComputeInstances(),
            () => instance.GetComputeInstanceProfiles(), inside.Destroy, () => inside.GetMigDevice(),
        ];
        foreach (Action use in uses)
            use.Should().Throw<NvmlNotFoundException>()
                .WithMessage("*GPU instance 2 (3g.20gb at 4:4) of GPU 0*does not exist any more*list the instances again.");
        machine.Simulator.GetCallCount().Should().Be(calls);
    }

    [Fact]
    public void An_instance_that_someone_else_destroyed_is_reported_as_gone()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance mine = machine.Create("3g.20gb");
        machine.Gpu.GetGpuInstance(mine.Id).Destroy();

        mine.Invoking(i => i.Destroy()).Should().Throw<NvmlNotFoundException>().WithMessage("*does not exist any more*");
        mine.Invoking(i => i.CreateComputeInstance()).Should().Throw<NvmlNotFoundException>().WithMessage("*does not exist any more*");
        mine.Invoking(i => i.GetComputeInstanceProfiles()).Should().Throw<NvmlNotFoundException>().WithMessage("*does not exist any more*");
    }

    [Fact]
    public void A_successor_in_the_same_place_is_not_touched()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance mine = machine.Create("1g.5gb", new Placement(0, 1));
        ComputeInstance inside = mine.CreateComputeInstance();

        // Somebody else replaces it: same id, same handle, another profile.
        GpuInstance other = machine.Gpu.GetGpuInstance(mine.Id);
        other.GetComputeInstances()[0].Destroy();
        other.Destroy();
        GpuInstance successor = machine.Create("1g.5gb+me", new Placement(0, 1));
        successor.CreateComputeInstance();
        successor.Id.Should().Be(mine.Id);

        mine.Invoking(i => i.Destroy()).Should().Throw<NvmlNotFoundException>();
        inside.Invoking(i => i.Destroy()).Should().Throw<NvmlNotFoundException>();
        successor.GetComputeInstances().Should().ContainSingle();
    }

    [Fact]
    public void What_was_destroyed_makes_room()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstanceProfile whole = machine.Gpu.GetGpuInstanceProfile("7g.40gb");
        GpuInstance instance = machine.Gpu.CreateGpuInstance(whole);
        machine.Gpu.GetRemainingCapacity(whole).Should().Be(0);

        instance.Destroy();

        machine.Gpu.GetRemainingCapacity(whole).Should().Be(1);
    }

    [Fact]
    public void An_instance_destroyed_before_the_call_is_not_found()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        machine.Simulator.SetFaults(NvmlFault.DestroyGpuInstance("nvmlGpuInstanceDestroy", 0, instance.Id));

        instance.Invoking(i => i.Destroy()).Should().Throw<NvmlNotFoundException>();

        GpuInstance other = machine.Create("3g.20gb");
        machine.Simulator.SetFaults(NvmlFault.DestroyGpuInstance("nvmlGpuInstanceCreateComputeInstance", 0, other.Id));
        other.Invoking(o => o.CreateComputeInstance()).Should().Throw<NvmlNotFoundException>();
    }
}
