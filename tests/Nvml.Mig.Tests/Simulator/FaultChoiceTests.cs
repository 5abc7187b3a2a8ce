using Nvml.Mig.Interop;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>Which calls a fault strikes, and what else testers set.</summary>
public class FaultChoiceTests
{
    [Fact]
    public void A_fault_of_one_gpu_leaves_the_others_alone()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2", migEnabled: false);
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.Unknown) with { Gpu = 1, Nth = 2 });

        machine.Gpu.GetMigMode();
        machine.Gpu.GetMigMode();
        machine.Session.Devices[1].GetMigMode();

        machine.Session.Devices[1].Invoking(g => g.GetMigMode()).Should().Throw<NvmlException>();
    }

    [Fact]
    public void Random_faults_repeat_with_their_seed()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);

        bool[] first = Draw(0.3, 42);
        bool[] again = Draw(0.3, 42);
        bool[] other = Draw(0.3, 43);

        first.Count(struck => struck).Should().BeInRange(30, 90, "the rate is 0.3 of 200 calls");
        again.Should().Equal(first);
        other.Should().NotEqual(first);
        Draw(0, 1).Should().NotContain(true);
        Draw(1, 1).Should().NotContain(false);

        bool[] Draw(double rate, uint seed)
        {
            machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.Unknown) with { Rate = rate, Seed = seed });
            return [.. Enumerable.Range(0, 200).Select(_ => Fails(() => machine.Gpu.GetMigMode()))];
        }
    }

    [Fact]
    public void There_can_be_hundreds_of_faults()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        machine.Simulator.SetFaults(Enumerable.Range(1, 300)
            .Select(n => NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.Unknown) with { Nth = n * 2 }));

        Enumerable.Range(1, 600).Count(_ => Fails(() => machine.Gpu.GetMigMode())).Should().Be(300);
    }

    [Fact]
    public void A_fault_sets_the_activation_status_of_a_change_of_mode()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        machine.Simulator.SetFaults(NvmlFault.ActivationStatus(NvmlReturnCode.Timeout));

        machine.Gpu.EnableMig().Should().Be(new MigModeChange(MigModeOutcome.Pending, NvmlReturnCode.Timeout));
        machine.Gpu.GetMigMode().Should().Be(new MigMode(Current: false, Pending: true));

        machine.Gpu.EnableMig().Outcome.Should().Be(MigModeOutcome.Activated);
    }

    /// <summary>The text of a fault is its function here, so that what parses is what was written.</summary>
    [Theory]
    [InlineData("nvmlDeviceGetMigMode~2/1=999")]
    [InlineData("nvmlDeviceGetMigMode#2~0.5/1=999")]
    [InlineData("nvmlDeviceGetMigMode~0.5=999")]
    [InlineData("nvmlDeviceGetMigMode@=999")]
    [InlineData("nvmlDeviceGetMigMode=activation:10")]
    public void A_fault_that_makes_no_sense_is_explained(string text)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start();

        simulator.Invoking(s => s.SetFaults(NvmlFault.Kill(text + ";nvmlInit_v2"))).Should().Throw<NvmlException>()
            .WithMessage($"*'{text}' is not a fault: write FUNCTION*");
    }

    [Fact]
    public void The_activity_of_a_gpu_instance_can_be_set()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance instance = machine.Create("3g.71gb");
        machine.Simulator.SetActivity(0, 37, instance.Id);

        Measure(instance).Should().Be(37);
        machine.Simulator.SetActivity(0, null, instance.Id);
        Measure(instance).Should().Be(0, "nothing runs there");
        machine.Simulator.Invoking(s => s.SetActivity(0, 101)).Should().Throw<ArgumentOutOfRangeException>();
        machine.Simulator.Invoking(s => s.SetActivity(0, 1, gpuInstance: 14)).Should().Throw<NvmlNotFoundException>();
    }

    [Fact]
    public async Task Starting_without_a_thread_waits_for_the_turn()
    {
        NvmlSimulator first = await NvmlSimulator.StartAsync("H200");
        Task<NvmlSimulator> second = NvmlSimulator.StartAsync("A30");
        second.IsCompleted.Should().BeFalse();
        using CancellationTokenSource cancelled = new();
        Task<NvmlSimulator> third = NvmlSimulator.StartAsync("A30", cancellationToken: cancelled.Token);
        await cancelled.CancelAsync();

        await FluentActions.Awaiting(() => third).Should().ThrowAsync<OperationCanceledException>();
        first.Dispose();

        using NvmlSimulator started = await second;
        started.Gpus.Should().Be("A30");
    }

    [Fact]
    public unsafe void Events_beyond_the_queue_are_counted_as_lost()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        nvmlDevice_t gpu;
        nvmlEventSet_t set;
        nvmlEventData_t data;
        LibNvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlEventSetCreate(&set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlDeviceRegisterEvents(gpu, 8, set).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        for (int xid = 1; xid <= 130; xid++)
            machine.Simulator.RaiseXid(0, xid);
        machine.Simulator.LostEvents.Should().Be(0, "nobody has come to look");

        LibNvml.nvmlEventSetWait_v2(set, &data, 0).Should().Be(nvmlReturn_t.NVML_SUCCESS);

        data.eventData.Should().Be(3, "the first two are gone");

        machine.Simulator.LostEvents.Should().Be(2);
        LibNvml.nvmlEventSetFree(set);
    }

    private static double Measure(GpuInstance instance)
    {
        using GpmSample before = instance.TakeGpmSample();
        using GpmSample after = instance.TakeGpmSample();
        return after.GetMetricsSince(before, GpmMetric.SmUtilization)[0].Value;
    }

    private static bool Fails(Action call)
    {
        try
        {
            call();
            return false;
        }
        catch (NvmlException)
        {
            return true;
        }
    }
}
