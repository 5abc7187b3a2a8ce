using System.Diagnostics;
using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>Trouble on command, and what the library makes of it.</summary>
public class FaultTests
{
    [Fact]
    public void The_call_that_was_named_fails_once_and_changes_nothing()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstance", NvmlReturnCode.InUse) with { Nth = 2 });

        machine.Create("1g.5gb");
        FluentActions.Invoking(() => machine.Create("1g.5gb")).Should().Throw<NvmlInUseException>();
        machine.Create("1g.5gb");

        machine.Gpu.GetGpuInstances().Should().HaveCount(2);
    }

    [Fact]
    public void A_failure_after_the_effect_leaves_the_effect()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstance", NvmlReturnCode.Timeout) with { AfterEffect = true });

        FluentActions.Invoking(() => machine.Create("1g.5gb")).Should().Throw<NvmlException>().Which.Should().BeEquivalentTo(
            new { Code = NvmlReturnCode.Timeout, IsTransient = true });

        machine.Gpu.GetGpuInstances().Should().ContainSingle();
    }

    [Fact]
    public void An_instance_that_cannot_be_read_back_is_said_to_exist()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlGpuInstanceGetInfo", NvmlReturnCode.Unknown) with { Nth = null });

        FluentActions.Invoking(() => machine.Create("1g.5gb")).Should().Throw<NvmlException>()
            .WithMessage("Cannot read back the GPU instance 1g.5gb that the driver has just created on GPU 0 (GPU-*): Unknown Error "
                + "(NVML_ERROR_UNKNOWN, 999, from nvmlGpuInstanceGetInfo). List the GPU instances to find it.");

        machine.Simulator.SetFaults();
        machine.Gpu.GetGpuInstances().Should().ContainSingle();
    }

    [Fact]
    public void A_code_that_nobody_knows_is_reported_with_its_number()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetMigMode", (NvmlReturnCode)777));

        machine.Gpu.Invoking(gpu => gpu.GetMigMode()).Should().Throw<NvmlException>()
            .WithMessage("Cannot read the MIG mode on GPU 0 (GPU-*): Unknown Error (777, 777, from nvmlDeviceGetMigMode).")
            .Which.Code.Should().Be((NvmlReturnCode)777);
    }

    [Fact]
    public void A_lost_gpu_answers_no_more_and_the_others_do()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetMigMode"));

        machine.Gpu.Invoking(gpu => gpu.GetMigMode()).Should().Throw<NvmlException>().WithMessage("*see the kernel's log for its Xid*")
            .Which.Code.Should().Be(NvmlReturnCode.GpuIsLost);
        machine.Session.Devices[1].GetMigMode().Current.Should().BeTrue();
        machine.Simulator.ResetGpu(0);
        machine.Gpu.GetMigMode().Current.Should().BeTrue();
    }

    [Fact]
    public void An_instance_destroyed_by_others_is_reported_as_gone()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        machine.Simulator.SetFaults(NvmlFault.DestroyGpuInstance("nvmlGpuInstanceGetInfo", 0, instance.Id));

        instance.Invoking(i => i.CreateComputeInstance()).Should().Throw<NvmlNotFoundException>().WithMessage("*does not exist any more*");
    }

    [Fact]
    public void A_call_that_hangs_takes_its_time()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Hang("nvmlDeviceGetMigMode", TimeSpan.FromMilliseconds(200)));
        Stopwatch time = Stopwatch.StartNew();

        machine.Gpu.GetMigMode();

        time.ElapsedMilliseconds.Should().BeGreaterThanOrEqualTo(200);
    }

    [Theory]
    [InlineData("nvmlDeviceGetMigMod", "*'nvmlDeviceGetMigMod#1=kill' would never strike: NVML has no function nvmlDeviceGetMigMod.")]
    [InlineData("nvmlErrorString", "*NVML has no function nvmlErrorString.")]
    [InlineData("nvmlInit_v2=kill;x", "*NVML has no function x.")]
    [InlineData("nvmlInit_v2#0", "*'nvmlInit_v2#0#1=kill' is not a fault: write FUNCTION*")]
    [InlineData("nvmlInit_v2=hang:-1;nvmlInit_v2", "*'nvmlInit_v2=hang:-1' is not a fault: *")]
    [InlineData("nvmlInit_v2=hang:4294967296;nvmlInit_v2", "*'nvmlInit_v2=hang:4294967296' is not a fault: *")]
    [InlineData("nvmlInit_v2=destroy:0/-1;nvmlInit_v2", "*'nvmlInit_v2=destroy:0/-1' is not a fault: *")]
    public void A_fault_that_makes_no_sense_is_explained(string function, string message)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();

        machine.Simulator.Invoking(s => s.SetFaults(NvmlFault.Kill(function))).Should().Throw<NvmlException>().WithMessage(message);
    }

    [Fact]
    public void A_fault_can_strike_a_function_never_called()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();

        foreach (string function in new[] { "*", "nvmlInit", "nvmlDeviceGetFanSpeed", "nvmlVgpuTypeGetName", "nvmlGpmMetricsGet" })
            machine.Simulator.SetFaults(NvmlFault.Kill(function));
        machine.Simulator.SetFaults();
    }

    [Fact]
    public void A_hang_lasts_from_nothing_to_49_days()
    {
        FluentActions.Invoking(() => NvmlFault.Hang("nvmlInit_v2", TimeSpan.FromMilliseconds(-1)))
            .Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => NvmlFault.Hang("nvmlInit_v2", TimeSpan.FromMilliseconds(4294967296)))
            .Should().Throw<ArgumentOutOfRangeException>();
        NvmlFault.Hang("nvmlInit_v2", TimeSpan.FromMilliseconds(4294967295)).ToString().Should().Be("nvmlInit_v2#1=hang:4294967295");
        NvmlFault.Hang("nvmlInit_v2", TimeSpan.Zero).ToString().Should().Be("nvmlInit_v2#1=hang:0");
    }

    [Theory]
    [InlineData("nvmlInit_v2=NVML_ERROR_DRIVER_NOT_LOADED")]
    [InlineData("*#1=NVML_ERROR_DRIVER_NOT_LOADED")]
    public void A_fault_in_the_environment_can_strike_the_first_call(string faults)
    {
        using Nvmig nvmig = new();
        nvmig.PassForReal();
        nvmig.Environment["NVML_STUB_FAULTS"] = faults;

        nvmig.RunBare("devices").Complaints.Should().ContainSingle().Which.Should()
            .Contain("NVML_ERROR_DRIVER_NOT_LOADED, 9, from nvmlInit_v2");
    }
}
