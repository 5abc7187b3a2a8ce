using Nvml.Mig.Applying;

namespace Nvml.Mig.Tests.Applying;

/// <summary>An Ampere GPU in a virtual machine switches its MIG mode by a reboot only, and that is known beforehand.</summary>
public class PendingModeTests
{
    private const string Vm = "A100-SXM4-40GB+vm";

    [Theory]
    [InlineData(null, "7g.40gb")]
    [InlineData("19,9", null)]
    public void Such_a_gpu_is_refused_before_the_first_change(string? start, string? target)
    {
        using ApplyMachine machine = Start(start);
        string[] before = machine.Describe();
        long changes = machine.MutatingCalls();

        GpuApplyResult gpu = machine.Apply(target).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Refused);
        gpu.Error.Should().BeOfType<NvmlResetRequiredException>().Which.Code.Should().Be(NvmlReturnCode.ResetRequired);
        gpu.Message.Should()
            .Match("MIG can be * on GPU 0 (GPU-*) only by a reboot, *: leave the mode pending, reboot, and apply the same again. Nothing "
                + "was changed.");
        machine.MutatingCalls().Should().Be(changes);
        machine.Describe().Should().Equal(before);
    }

    [Fact]
    public void A_mode_is_left_pending_and_the_same_apply_completes()
    {
        using ApplyMachine machine = ApplyMachine.Start(Vm);
        ApplyOptions options = machine.Options with { LeaveModePending = true };

        GpuApplyResult first = machine.Apply("7g.40gb", options).Gpus[0];
        GpuApplyResult again = machine.Apply("7g.40gb", options).Gpus[0];

        (first.Outcome, again.Outcome).Should().Be((ApplyOutcome.Pending, ApplyOutcome.Pending));
        (first.IsSuccess, again.Steps.Count).Should().Be((false, 0));
        first.Message.Should()
            .Be("The MIG mode is Disabled, Enabled pending: reboot, or reset the GPU from outside, and apply the same again.");
        machine.Gpu.GetMigMode().Should().Be(new MigMode(false, true));
        machine.Simulator.Reboot();
        machine.Reopen();
        machine.Apply("7g.40gb", options).Gpus[0].Outcome.Should().Be(ApplyOutcome.Applied);
        machine.Gpu.GetMigDevices().Should().ContainSingle();
    }

    [Fact]
    public void A_pending_mode_can_be_taken_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(Vm);
        string[] before = machine.Describe();
        machine.Apply("7g.40gb", machine.Options with { LeaveModePending = true });

        machine.Rollback().IsSuccess.Should().BeTrue();

        machine.Describe().Should().Equal(before);
    }

    [Fact]
    public void No_instance_is_destroyed_for_a_mode_that_cannot_be_switched()
    {
        using ApplyMachine machine = Start("19,9");
        string[] before = machine.Describe();

        GpuApplyResult gpu = machine.Apply(null, machine.Options with { LeaveModePending = true }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Refused);
        gpu.Error.Should().BeOfType<NvmlInUseException>().Which.Message.Should()
            .Contain("it cannot be asked for while ").And.EndWith("is there: destroy that first.");
        machine.Describe().Should().Equal(before);
        machine.Apply("none").IsSuccess.Should().BeTrue();
        machine.Apply(null, machine.Options with { LeaveModePending = true }).Gpus[0].Outcome.Should().Be(ApplyOutcome.Pending);
    }

    [Fact]
    public void A_pending_gpu_keeps_no_other_from_being_changed()
    {
        using ApplyMachine machine = ApplyMachine.Start(Vm + ",H100-SXM5-80GB");

        ApplyResult result = machine.ApplyTo(
            [.. machine.Session.Devices.Select(g => new GpuTarget(g, LayoutSpec.Parse("9")))],
            machine.Options with { LeaveModePending = true, AllOrNothing = true });

        result.Gpus.Select(g => g.Outcome).Should().Equal(ApplyOutcome.Pending, ApplyOutcome.Applied);
        result.IsSuccess.Should().BeFalse();
    }

    [Fact]
    public void A_wait_that_was_not_foreseen_ends_pending_too()
    {
        using ApplyMachine machine = ApplyMachine.Start(Vm);
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetVirtualizationMode", NvmlReturnCode.NotSupported));

        GpuApplyResult gpu = machine.Apply("7g.40gb", machine.Options with { LeaveModePending = true }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Pending);
        gpu.Steps.Select(s => s.Outcome).Should().StartWith([ApplyStepOutcome.Done, ApplyStepOutcome.NotTried]);
        machine.Gpu.GetMigMode().Should().Be(new MigMode(false, true));
    }

    [Fact]
    public void A_dry_run_says_so_too()
    {
        using ApplyMachine machine = ApplyMachine.Start(Vm);

        machine.Apply("7g.40gb", machine.Options with { DryRun = true }).Gpus[0].Outcome.Should().Be(ApplyOutcome.Refused);
        machine.Apply(
            "7g.40gb", machine.Options with { DryRun = true, LeaveModePending = true }).Gpus[0].Steps.Select(s => s.Step.ToString())
            .Should().Equal("enable MIG");
    }

    /// <summary>MIG enabled by a reboot, and divided.</summary>
    private static ApplyMachine Start(string? layout)
    {
        ApplyMachine machine = ApplyMachine.Start(Vm);
        if (layout is null)
            return machine;
        machine.Gpu.EnableMig();
        machine.Simulator.Reboot();
        machine.Reopen();
        machine.Apply(layout).IsSuccess.Should().BeTrue();
        return machine;
    }
}
