using Nvml.Mig.Applying;

namespace Nvml.Mig.Tests.Applying;

/// <summary>An empty GPU, lent to code that does with it what it likes.</summary>
public class ExclusiveRunTests
{
    private const string A100 = "A100-SXM4-40GB";

    [Fact]
    public void Everything_left_on_it_is_destroyed()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], null));
        string[] before = machine.Describe();

        ApplyResult result = RunExclusively(machine, () =>
        {
            GpuInstance half = machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("3g.20gb"));
            half.CreateComputeInstance(half.GetComputeInstanceProfile("1c"));
            half.CreateComputeInstance(half.GetComputeInstanceProfile("2c"));
            machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.5gb+me"));
        });

        result.IsSuccess.Should().BeTrue();
        result.Gpus[0].Outcome.Should().Be(ApplyOutcome.Applied);
        machine.Describe().Should().Equal(before);
    }

    [Fact]
    public void So_it_is_when_the_use_fails_and_the_failure_is_in_the_result()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, null, [], null));
        string[] before = machine.Describe();

        ApplyResult result = RunExclusively(machine, () =>
        {
            machine.Gpu.EnableMig();
            machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("7g.40gb"));
            throw new InvalidDataException("not what I expected");
        });

        result.Gpus[0].Outcome.Should().Be(ApplyOutcome.RolledBack);
        result.Gpus[0].Error.Should().BeOfType<InvalidDataException>();
        result.Gpus[0].Message.Should().Be("not what I expected The GPU is as it was before.");
        machine.Describe().Should().Equal(before);
    }

    [Fact]
    public async Task A_use_that_awaits_has_the_gpu_until_it_is_done()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], null));
        int instances = 0;

        ApplyResult result = await LayoutApplier.RunExclusivelyAsync(machine.Gpu, async token =>
        {
            machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("3g.20gb")).CreateComputeInstance();
            await Task.Delay(100, token);
            instances = machine.Gpu.GetGpuInstances().Count;
        }, machine.Options);

        result.Gpus[0].Outcome.Should().Be(ApplyOutcome.Applied);
        instances.Should().Be(1);
        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void Remains_are_reported_and_rolled_back_later()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], null));
        string[] before = machine.Describe();
        IDisposable? process = null;

        ApplyResult result = RunExclusively(machine, () =>
        {
            machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.5gb"), new Placement(0, 1)).CreateComputeInstance();
            process = machine.Simulator.StartProcess(machine.Gpu.GetMigDevices()[0], 4711, "train");
        });

        result.Gpus[0].Outcome.Should().Be(ApplyOutcome.NotRestored);
        result.Gpus[0].Differences.Should().Equal("GPU instance 7 (1g.5gb at 0:1) is there and should not be.");
        RunExclusively(machine, () => { }).Gpus[0].Outcome.Should().Be(ApplyOutcome.Refused);
        process!.Dispose();
        machine.Rollback().IsSuccess.Should().BeTrue();
        machine.Describe().Should().Equal(before);
    }

    [Fact]
    public void A_gpu_that_somebody_has_is_not_lent()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4", [], null));
        ShouldRefuse("* is not empty: GPU instance 2 (3g.20gb at 4:4) is there. Nothing was changed.");

        machine.Apply("").IsSuccess.Should().BeTrue();
        using (machine.Simulator.StartProcess(0, 4711, "train"))
            ShouldRefuse("* is in use by process 4711 (train). Nothing was changed.");
        RunExclusively(machine, () => { }).IsSuccess.Should().BeTrue();

        void ShouldRefuse(string message)
        {
            GpuApplyResult gpu = RunExclusively(machine, () => throw new InvalidOperationException("It was lent.")).Gpus[0];
            gpu.Outcome.Should().Be(ApplyOutcome.Refused);
            gpu.Error.Should().BeOfType<NvmlInUseException>();
            gpu.Message.Should().Match(message);
        }
    }

    [Fact]
    public void Meanwhile_no_layout_is_applied()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], null));

        RunExclusively(
            machine,
            () => FluentActions.Invoking(() => machine.Apply("9")).Should().Throw<JournalException>().Which.IsLocked.Should().BeTrue())
            .Gpus[0].Error.Should().BeNull();
    }

    [Fact]
    public void The_last_apply_can_still_be_taken_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "", [], null));
        string[] before = machine.Describe();
        machine.ApplyTo([.. machine.Targets("9").Take(1)]).IsSuccess.Should().BeTrue();

        RunExclusively(machine, () => { }, gpu: 1).IsSuccess.Should().BeTrue();

        machine.Rollback().Gpus.Should().ContainSingle().Which.Gpu.Index.Should().Be(0);
        machine.Describe().Should().Equal(before);
    }

    private static ApplyResult RunExclusively(ApplyMachine machine, Action use, int gpu = 0) =>
        LayoutApplier.RunExclusivelyAsync(machine.Session.Devices[gpu], _ =>
        {
            use();
            return Task.CompletedTask;
        }, machine.Options).GetAwaiter().GetResult();
}
