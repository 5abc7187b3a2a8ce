namespace Nvml.Mig.Tests.Devices;

/// <summary>An instance that cannot be read is not gone.</summary>
public class UnreadableTests
{
    private const NvmlReturnCode Gone = NvmlReturnCode.NotFound;
    private const NvmlReturnCode Wrong = NvmlReturnCode.InvalidArgument;

    [Theory]
    [InlineData("nvmlGpuInstanceGetInfo", Gone)]
    [InlineData("nvmlGpuInstanceGetInfo", Wrong)]
    [InlineData("nvmlComputeInstanceGetInfo_v2", Gone)]
    [InlineData("nvmlComputeInstanceGetInfo_v2", Wrong)]
    [InlineData("nvmlGpuInstanceGetComputeInstances", Gone)]
    [InlineData("nvmlGpuInstanceGetComputeInstances", Wrong)]
    [InlineData("nvmlDeviceGetMigDeviceHandleByIndex", Gone)]
    [InlineData("nvmlDeviceGetMigDeviceHandleByIndex", Wrong)]
    [InlineData("nvmlDeviceGetGpuInstanceId", Wrong)]
    [InlineData("nvmlDeviceGetComputeInstanceId", Gone)]
    [InlineData("nvmlDeviceGetUUID", Gone)]
    [InlineData("nvmlDeviceGetIndex", Wrong)]
    public void One_refused_read_hides_nothing(string function, NvmlReturnCode code)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        Fill(machine);
        for (int nth = 1; nth <= 4; nth++)
        {
            machine.Simulator.SetFaults(NvmlFault.Return(function, code) with { Nth = nth });

            machine.Gpu.GetGpuInstances().Should().HaveCount(2, "at call {0}", nth);
            machine.Gpu.GetGpuInstances().Sum(i => i.GetComputeInstances().Count).Should().Be(2, "at call {0}", nth);
            machine.Gpu.GetMigDevices().Should().HaveCount(2, "at call {0}", nth);
            machine.Gpu.ReadSnapshot().Instances.Sum(i => i.ComputeInstances.Count).Should().Be(2, "at call {0}", nth);
        }
    }

    [Theory]
    [InlineData("nvmlGpuInstanceGetInfo")]
    [InlineData("nvmlComputeInstanceGetInfo_v2")]
    [InlineData("nvmlGpuInstanceGetComputeInstances")]
    public void An_instance_that_is_never_read_is_an_error(string function)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        Fill(machine);
        machine.Simulator.SetFaults(NvmlFault.Return(function, Gone) with { Nth = null });

        machine.Gpu.Invoking(g => g.ReadSnapshot()).Should().Throw<NvmlException>().Which.Code.Should().Be(Gone);
    }

    [Theory]
    [InlineData("nvmlGpuInstanceGetInfo", Wrong)]
    [InlineData("nvmlComputeInstanceGetInfo_v2", Gone)]
    public void One_refused_read_keeps_no_instance_from_being_destroyed(string function, NvmlReturnCode code)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        ComputeInstance inside = instance.CreateComputeInstance();
        machine.Simulator.SetFaults(NvmlFault.Return(function, code));

        inside.Destroy();
        instance.Destroy();

        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void An_unreadable_instance_exists()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlGpuInstanceGetInfo", Gone) with { Nth = null });

        instance.Invoking(i => i.Destroy()).Should().Throw<NvmlException>().Which.Function.Should().Be("nvmlGpuInstanceGetInfo");

        machine.Simulator.SetFaults();
        instance.Exists().Should().BeTrue();
    }

    [Theory]
    [InlineData("nvmlDeviceIsMigDeviceHandle")]
    [InlineData("nvmlDeviceGetDeviceHandleFromMigDeviceHandle")]
    [InlineData("nvmlDeviceGetGpuInstanceId")]
    public void One_refused_read_loses_no_mig_device_of_a_uuid(string function)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        Fill(machine);
        string uuid = machine.Gpu.GetMigDevices()[0].Uuid;
        machine.Simulator.SetFaults(NvmlFault.Return(function, Wrong));

        machine.Session.GetMigDevice(uuid).Uuid.Should().Be(uuid);
    }

    private static void Fill(SimulatedGpu machine)
    {
        machine.Create("3g.20gb").CreateComputeInstance();
        machine.Create("1g.5gb").CreateComputeInstance();
    }
}
