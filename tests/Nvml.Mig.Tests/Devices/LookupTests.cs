namespace Nvml.Mig.Tests.Devices;

public class LookupTests
{
    [Fact]
    public void A_mig_device_is_found_by_its_uuid_on_whichever_gpu()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        GpuDevice second = machine.Session.Devices[1];
        MigDevice created = second.CreateGpuInstance(second.GetGpuInstanceProfile("2g.10gb")).CreateComputeInstance().GetMigDevice();

        MigDevice found = machine.Session.GetMigDevice(created.Uuid.ToUpperInvariant());

        found.Device.Should().BeSameAs(second);
        (found.Uuid, found.GpuInstanceId, found.ComputeInstanceId).Should().Be((created.Uuid, created.GpuInstanceId, created.ComputeInstanceId));
        found.GetName().Should().Be("NVIDIA A100-SXM4-40GB MIG 2g.10gb");
    }

    [Fact]
    public void A_mig_device_is_found_by_its_index_which_shifts()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice small = machine.Create("1g.5gb").CreateComputeInstance().GetMigDevice();
        machine.Gpu.GetMigDevice(0).Uuid.Should().Be(small.Uuid);

        MigDevice half = machine.Create("3g.20gb", new Placement(0, 4)).CreateComputeInstance().GetMigDevice();

        machine.Gpu.GetMigDevice(0).Uuid.Should().Be(half.Uuid, "its GPU instance has the lower id");
        small.GetIndex().Should().Be(1);
        machine.Gpu.Invoking(g => g.GetMigDevice(2)).Should().Throw<NvmlNotFoundException>().WithMessage("GPU 0 (GPU-*) has no MIG device 2*");
    }

    [Fact]
    public void Gpus_and_mig_devices_are_not_mistaken_for_each_other()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("1g.5gb").CreateComputeInstance().GetMigDevice();

        machine.Session.Invoking(s => s.GetDevice(device.Uuid)).Should().Throw<ArgumentException>()
            .WithMessage("MIG-* is a MIG device, not a GPU. GPUs are named by index (0), UUID (GPU-...) or PCI bus id (0000:07:00.0).*");
        machine.Session.Invoking(s => s.GetMigDevice(machine.Gpu.Uuid)).Should().Throw<ArgumentException>()
            .WithMessage("GPU-* is a GPU, not a MIG device: MIG devices have UUIDs that begin with MIG-.*");
        machine.Session.Invoking(s => s.GetMigDevice("MIG-00000000-0000-5000-8000-000000000000")).Should().Throw<NvmlNotFoundException>()
            .WithMessage("*MIG devices come and go with their compute instances: list them again.");
    }

    [Fact]
    public void A_mig_device_is_found_by_the_name_of_older_drivers()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        GpuDevice second = machine.Session.Devices[1];
        GpuInstance instance = second.CreateGpuInstance(second.GetGpuInstanceProfile("2g.10gb"));
        string uuid = instance.CreateComputeInstance().GetMigDevice().Uuid;

        machine.Session.GetMigDevice($"MIG-{second.Uuid}/{instance.Id}/0").Uuid.Should().Be(uuid);
        machine.Session.GetMigDevice($"mig-{second.Uuid.ToUpperInvariant()}/{instance.Id}/0").Uuid.Should().Be(uuid);
        machine.Session.Invoking(s => s.GetMigDevice($"MIG-{second.Uuid}/{instance.Id}/1")).Should().Throw<NvmlNotFoundException>()
            .WithMessage($"GPU 1 (GPU-*) has no compute instance 1 in GPU instance {instance.Id} (NVML_ERROR_NOT_FOUND, 6). *");
        machine.Session.Invoking(s => s.GetMigDevice($"MIG-{second.Uuid}")).Should().Throw<NvmlException>()
            .WithMessage("'MIG-GPU-*' is no MIG device (NVML_ERROR_INVALID_ARGUMENT, 2). *");
    }

    [Fact]
    public void A_gpu_is_found_by_its_serial_number()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*2", migEnabled: false);
        GpuDevice second = machine.Session.Devices[1];

        machine.Session.GetDeviceBySerial(second.GetSerial()).Should().BeSameAs(second);
        machine.Session.Invoking(s => s.GetDeviceBySerial("0")).Should().Throw<NvmlNotFoundException>()
            .WithMessage("Cannot find the GPU with serial number 0: Not Found*");
    }

    [Fact]
    public void A_compute_instance_is_found_by_its_id()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance half = machine.Create("3g.20gb");
        ComputeInstanceProfile slice = half.GetComputeInstanceProfiles()[0];
        half.CreateComputeInstance(slice);
        ComputeInstance second = half.CreateComputeInstance(slice);

        ComputeInstance found = half.GetComputeInstance(1);

        (found.Id, found.Placement, found.Profile).Should().Be((1, second.Placement, slice));
        half.Invoking(h => h.GetComputeInstance(2)).Should().Throw<NvmlNotFoundException>();
    }

    [Fact]
    public void A_profile_is_found_by_its_id_without_a_call_if_it_is_listed()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Gpu.GetGpuInstanceProfiles();
        long before = machine.Simulator.GetCallCount();

        machine.Gpu.GetGpuInstanceProfile(9).Name.Should().Be("3g.20gb");

        machine.Simulator.GetCallCount().Should().Be(before);
        machine.Gpu.Invoking(g => g.GetGpuInstanceProfile(77)).Should().Throw<NvmlException>()
            .WithMessage("GPU 0 (GPU-*) has no GPU instance profile '77' (NVML_ERROR_INVALID_ARGUMENT, 2). It has: 1g.5gb (19), *");
    }

    [Fact]
    public void A_driver_that_tells_no_profiles_is_asked_again()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetGpuInstanceProfileInfoV", NvmlReturnCode.NotSupported) with { Nth = null });
        machine.Gpu.GetGpuInstanceProfiles().Should().BeEmpty();

        machine.Simulator.SetFaults();
        using (NvmlSession other = NvmlSession.Open(machine.Simulator.LibraryPath))
        {
            other.Devices[0].EnableMig();
            other.Devices[0].CreateGpuInstance(other.Devices[0].GetGpuInstanceProfile("3g.20gb"));
        }

        machine.Gpu.GetGpuInstances().Should().ContainSingle().Which.Profile.Name.Should().Be("3g.20gb");
    }

    [Fact]
    public void An_instance_of_a_profile_that_the_driver_knows_by_its_id_only_is_listed()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetGpuInstanceProfileInfoV", NvmlReturnCode.NotSupported) with { Nth = 3 });
        machine.Gpu.GetGpuInstanceProfiles().Should().NotContain(profile => profile.Id == 9);

        GpuInstance created = machine.Create("9");

        machine.Gpu.GetGpuInstances().Should().ContainSingle().Which.ToString().Should().Be(created.ToString());
    }

    [Fact]
    public void An_instance_of_a_profile_that_is_listed_only_later_is_listed_once()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetGpuInstanceProfileInfoV", NvmlReturnCode.NotSupported) with { Nth = null });
        machine.Create("9");

        machine.Simulator.SetFaults();

        machine.Gpu.GetGpuInstances().Should().ContainSingle().Which.Profile.Id.Should().Be(9);
    }

    [Fact]
    public void Without_attaching_there_are_versions_and_no_gpus()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("H200");
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath, options: NvmlInitOptions.NoAttach);

        session.GetDriverVersion().Should().Be("580.159.04");
        session.Devices.Should().BeEmpty();
    }

    [Fact]
    public void A_walk_that_others_disturb_is_walked_again()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        for (int i = 0; i < 3; i++)
            machine.Create("1g.5gb", new Placement(i, 1)).CreateComputeInstance();
        machine.Simulator.SetFaults(NvmlFault.DestroyComputeInstance("nvmlDeviceGetMigDeviceHandleByIndex", 0, 7, 0) with { Nth = 2 });

        machine.Gpu.GetMigDevices().Select(d => d.GpuInstanceId).Should().Equal(8, 9);
    }
}
