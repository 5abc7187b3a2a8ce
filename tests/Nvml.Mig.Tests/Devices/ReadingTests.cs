namespace Nvml.Mig.Tests.Devices;

public class ReadingTests
{
    [Fact]
    public void An_h200_reports_what_was_measured_on_one()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        GpuDevice gpu = machine.Gpu;

        gpu.MinorNumber.Should().Be(0);
        gpu.Brand.Should().Be(GpuBrand.Nvidia);
        gpu.Architecture.Should().Be(GpuArchitecture.Hopper);
        gpu.ComputeCapability.Should().Be(new Version(9, 0));
        gpu.GetVbiosVersion().Should().Be("96.00.A5.00.1A");
        gpu.GetPersistenceMode().Should().BeTrue();
        gpu.GetComputeMode().Should().Be(ComputeMode.Default);
        gpu.GetFabricInfo().Should().Be(new FabricInfo(FabricState.NotSupported, NvmlReturnCode.Success, Guid.Empty, 0));
        gpu.GetMigFeatures().Should().Be(new MigFeatures(ChangesModeWithoutReset: true, AnswersInAnyMode: true));
        gpu.GetUtilization().Should().Be(new GpuUtilization(0, 0));
        gpu.GetTemperatureCelsius().Should().BeInRange(20, 90);
        gpu.GetPowerUsageWatts().Should().BeInRange(50, 700);
        gpu.GetPowerLimitWatts().Should().Be(700);
        gpu.GetRemappedRows().Should().Be(new RemappedRows(0, 0, IsPending: false, HasFailed: false));
        gpu.GetEccErrorCount(EccErrorType.Uncorrected, EccCounterType.Volatile).Should().Be(0);
        gpu.GetEccErrorCount(EccErrorType.Corrected, EccCounterType.Aggregate, EccMemoryLocation.Dram).Should().Be(0);
        gpu.Invoking(g => g.GetEccErrorCount(EccErrorType.Corrected, EccCounterType.Aggregate, EccMemoryLocation.L1Cache))
            .Should().Throw<NvmlNotSupportedException>();
        machine.Session.GetCudaVersion().Should().Be(new Version(13, 0));
        machine.Session.GetDriverBranch().Should().Be("r582_49");
    }

    [Fact]
    public void What_is_known_of_whole_gpus_only_says_so_when_mig_is_enabled()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");

        machine.Gpu.Invoking(g => g.GetUtilization()).Should().Throw<NvmlNotSupportedException>()
            .WithMessage("Cannot read the utilization of GPU 0 (GPU-*): Not Supported (NVML_ERROR_NOT_SUPPORTED, 3, from "
                + "nvmlDeviceGetUtilizationRates). With MIG enabled there is none for the whole GPU: take GPM samples of GPU instances.");
    }

    [Fact]
    public void A_gpu_in_a_virtual_machine_says_so()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200+vm,H200", migEnabled: false);

        machine.Session.Devices.Select(g => g.GetVirtualizationMode())
            .Should().Equal(GpuVirtualizationMode.Passthrough, GpuVirtualizationMode.None);
    }

    [Fact]
    public void A_mig_device_has_attributes()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance half = machine.Create("3g.20gb");
        MigDevice device = half.CreateComputeInstance(half.GetComputeInstanceProfiles()[0]).GetMigDevice();

        device.GetAttributes().Should().Be(new MigDeviceAttributes(14, 3, 2, 0, 0, 0, 3, 1, 20096));
        device.GetComputeMode().Should().Be(ComputeMode.Default);
    }

    [Fact]
    public void A_field_has_a_value_or_says_why_not()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);

        IReadOnlyList<FieldValue> fields = machine.Gpu.GetFieldValues(184, 150, 999);

        fields.Select(f => f.Code).Should().Equal(NvmlReturnCode.Success, NvmlReturnCode.NotSupported, NvmlReturnCode.InvalidArgument);
        fields[0].ToInt64().Should().Be(1);
        fields[0].Timestamp.Should().BeCloseTo(DateTimeOffset.UtcNow, TimeSpan.FromMinutes(1));
        fields[1].Invoking(f => f.ToInt64())
            .Should().Throw<InvalidOperationException>().WithMessage("Field 150 has no value: NotSupported (3).");
        machine.Gpu.GetFieldValues().Should().BeEmpty();
    }

    [Fact]
    public void On_ampere_the_mode_takes_a_reset()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);

        machine.Gpu.GetMigFeatures().ChangesModeWithoutReset.Should().BeFalse();
        machine.Gpu.GetMigFeatures().AnswersInAnyMode.Should().BeNull("nobody has measured it");
    }

    [Fact]
    public void Capabilities_come_from_the_third_version_of_the_struct()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("RTX-PRO-6000-Server");
        GpuDevice gpu = machine.Gpu;

        gpu.GetGpuInstanceProfiles().Where(p => gpu.GetCapabilities(p).HasFlag(GpuInstanceCapabilities.Graphics)).Select(p => p.Name)
            .Should().Equal(gpu.GetGpuInstanceProfiles().Where(p => p.Name.Contains("gfx", StringComparison.Ordinal)).Select(p => p.Name));
        GpuInstance instance = machine.Create("1g.24gb");
        instance.GetCapabilities(instance.GetComputeInstanceProfiles()[0]).Should().Be(ComputeInstanceCapabilities.None);
    }

    [Fact]
    public void The_odd_ways_of_driver_580_are_found()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);

        DriverProbe probe = machine.Gpu.ProbeDriver();

        probe.Quirks.Select(q => q.Name).Should().Equal(
            "ClearsStructVersion", "MisplacesProfileName", "HidesVersionMismatch", "OverrunsPlacements", "CountsNoInstances");
        probe.StructVersions.Should().AllSatisfy(v => v.IsSupported.Should().BeTrue());
    }
}
