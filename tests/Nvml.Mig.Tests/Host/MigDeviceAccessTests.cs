using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

public class MigDeviceAccessTests
{
    [Fact]
    public void A_mig_device_needs_gpu_capabilities_and_shared_nodes()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        using FakeHost host = new();
        host.AddDriver();
        host.AddDevices("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-caps/nvidia-cap21");
        host.WriteFile("/proc/driver/nvidia/capabilities/gpu0/mig/gi2/access", "DeviceFileMinor: 21\n");

        MigDeviceAccess access = MigDeviceAccess.Find(device, MigMinors.Read(host.Root), host.Root);

        access.DeviceNodes.Should().Equal(
            new HostFile("/dev/nvidia0", true),
            new HostFile("/dev/nvidia-caps/nvidia-cap21", true),
            new HostFile("/dev/nvidia-caps/nvidia-cap22", false));
        access.SharedDeviceNodes.Should().Equal(
            new HostFile("/dev/nvidiactl", true),
            new HostFile("/dev/nvidia-uvm", true),
            new HostFile("/dev/nvidia-uvm-tools", false));
        access.CapabilityFiles.Should().Equal(
            new HostFile("/proc/driver/nvidia/capabilities/gpu0/mig/gi2/access", true),
            new HostFile("/proc/driver/nvidia/capabilities/gpu0/mig/gi2/ci0/access", false));
        access.DeviceNodes[2].ToString().Should().Be("/dev/nvidia-caps/nvidia-cap22 (missing)");
    }

    [Fact]
    public void It_is_asked_for_by_its_uuid_or_by_its_indices()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        GpuDevice second = machine.Session.Devices[1];
        GpuInstance instance = second.CreateGpuInstance(second.GetGpuInstanceProfile("4g.20gb"));
        instance.CreateComputeInstance(instance.GetComputeInstanceProfile("1c"));
        MigDevice device = instance.CreateComputeInstance(instance.GetComputeInstanceProfile("2c")).GetMigDevice();

        MigDeviceAccess access = MigDeviceAccess.Find(device, MigMinors.Known);

        access.IndexName.Should().Be("1:1");
        (access.GpuMinor, access.GpuInstanceId, access.ComputeInstanceId).Should().Be((1, instance.Id, 1));
        (access.Uuid, access.CudaVisibleDevices, access.NvidiaVisibleDevices).Should().Be((device.Uuid, device.Uuid, device.Uuid));
    }

    [Fact]
    public void A_missing_capability_is_an_error_not_a_guess()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();

        FluentActions.Invoking(() => MigDeviceAccess.Find(device, MigMinors.Read(new StringReader("gpu0/gi2/access 21\n"))))
            .Should().Throw<KeyNotFoundException>()
            .WithMessage(
                $"The driver's table of MIG's device numbers has none for gpu0/gi2/ci0/access, which {device.Uuid} on GPU 0 (GPU-*) "
                    + "needs.");
    }
}
