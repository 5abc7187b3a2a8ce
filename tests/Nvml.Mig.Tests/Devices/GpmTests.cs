namespace Nvml.Mig.Tests.Devices;

public class GpmTests
{
    [Fact]
    public void Metrics_are_of_an_instance_and_have_their_units()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance busy = machine.Create("3g.71gb");
        GpuInstance idle = machine.Create("1g.18gb");
        MigDevice device = busy.CreateComputeInstance().GetMigDevice();
        using IDisposable training = machine.Simulator.StartProcess(device, 4711, "python3");

        Metric(busy.TakeGpmSample, GpmMetric.GraphicsUtilization).ToString().Should().Be("gract: 100 %");
        Metric(device.TakeGpmSample, GpmMetric.SmUtilization).ToString().Should().Be("smutil: 100 %");
        Metric(idle.TakeGpmSample, GpmMetric.SmUtilization).Value.Should().Be(0);
        Metric(machine.Gpu.TakeGpmSample, GpmMetric.SmUtilization).Code.Should().Be(NvmlReturnCode.Success);
    }

    [Fact]
    public void Samples_of_two_instances_make_no_metric()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        using GpmSample one = machine.Create("3g.71gb").TakeGpmSample();
        using GpmSample other = machine.Create("1g.18gb").TakeGpmSample();

        one.Invoking(s => s.GetMetricsSince(other, GpmMetric.SmUtilization)).Should().Throw<ArgumentException>()
            .WithMessage("The earlier sample is of GPU instance * of GPU 0 (GPU-*), the later of GPU instance * of GPU 0 (GPU-*): metrics are of one of them.*");
        one.Invoking(s => s.GetMetricsSince(one, GpmMetric.SmUtilization)).Should().Throw<ArgumentException>().WithMessage("*one and the same*");
        one.Invoking(s => s.GetMetricsSince(other)).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void A_metric_that_there_is_none_for_says_so_and_is_not_zero()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        using GpmSample before = machine.Gpu.TakeGpmSample();
        using GpmSample after = machine.Gpu.TakeGpmSample();

        IReadOnlyList<GpmMetricValue> values = after.GetMetricsSince(before, GpmMetric.SmUtilization, (GpmMetric)300, (GpmMetric)8);

        values.Select(v => v.Code).Should().Equal(
            [NvmlReturnCode.Success, NvmlReturnCode.InvalidArgument, NvmlReturnCode.NotSupported], "the driver answers 0 and no name to number 8");
        values.Skip(1).Should().AllSatisfy(v => v.Value.Should().Be(double.NaN));
    }

    [Fact]
    public void More_metrics_than_the_driver_takes_at_once_can_be_asked_for()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        using GpmSample before = machine.Gpu.TakeGpmSample();
        using GpmSample after = machine.Gpu.TakeGpmSample();
        GpmMetric[] metrics = [.. Enumerable.Range(1, 300).Select(number => (GpmMetric)number)];

        after.GetMetricsSince(before, metrics).Select(v => v.Metric).Should().Equal(metrics);
    }

    [Fact]
    public void An_instance_that_is_gone_has_no_counters()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance instance = machine.Create("1g.18gb");
        machine.Gpu.GetGpuInstance(instance.Id).Destroy();

        instance.Invoking(i => i.TakeGpmSample()).Should().Throw<NvmlNotFoundException>();
    }

    [Fact]
    public void A_sample_that_was_not_taken_is_given_back()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlGpmSampleGet", NvmlReturnCode.Unknown));

        machine.Gpu.Invoking(g => g.TakeGpmSample()).Should().Throw<NvmlException>();

        machine.Simulator.GetCallCount("nvmlGpmSampleFree").Should().Be(1);
    }

    [Fact]
    public void Before_hopper_there_are_none()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB");

        machine.Gpu.IsGpmSupported().Should().BeFalse();
        machine.Gpu.Invoking(g => g.TakeGpmSample()).Should().Throw<NvmlNotSupportedException>();
    }

    [Fact]
    public void Samples_are_given_back_before_nvml_is_shut_down()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("H200");
        NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        GpmSample sample = session.Devices[0].TakeGpmSample();

        session.Dispose();
        simulator.GetCallCount("nvmlShutdown").Should().Be(0);
        sample.Dispose();

        simulator.GetCallCount("nvmlGpmSampleFree").Should().Be(1);
        simulator.GetCallCount("nvmlShutdown").Should().Be(1);
    }

    [Fact]
    public void Samples_in_the_wrong_order_are_refused()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        using GpmSample before = machine.Gpu.TakeGpmSample();
        using GpmSample after = machine.Gpu.TakeGpmSample();

        before.Invoking(s => s.GetMetricsSince(after, GpmMetric.SmUtilization)).Should().Throw<ArgumentException>().WithMessage("*is the later*");
    }

    [Fact]
    public void Samples_of_an_instance_and_its_successor_make_no_metric()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance first = machine.Create("1g.18gb", new Placement(0, 1));
        using GpmSample before = first.TakeGpmSample();
        first.Destroy();
        GpuInstance second = machine.Create("1g.18gb", new Placement(0, 1));
        using GpmSample after = second.TakeGpmSample();

        after.Invoking(s => s.GetMetricsSince(before, GpmMetric.SmUtilization)).Should().Throw<ArgumentException>()
            .WithMessage("GPU instance 7 of GPU 0 (GPU-*) was destroyed and created again between the two samples*");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Samples_of_a_mig_device_are_of_one_instance(bool isReplaced)
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance first = machine.Create("1g.18gb", new Placement(0, 1));
        using GpmSample before = first.CreateComputeInstance().GetMigDevice().TakeGpmSample();
        if (isReplaced)
        {
            // By another session, with another profile: the MIG device has the same ids and UUID.
            using NvmlSession other = NvmlSession.Open(machine.Simulator.LibraryPath);
            GpuDevice gpu = other.Devices[0];
            gpu.GetGpuInstance(first.Id).GetComputeInstances()[0].Destroy();
            gpu.GetGpuInstance(first.Id).Destroy();
            gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("1g.18gb+me"), new Placement(0, 1)).CreateComputeInstance();
        }

        using GpmSample after = machine.Gpu.GetMigDevices()[0].TakeGpmSample();
        Func<IReadOnlyList<GpmMetricValue>> compute = () => after.GetMetricsSince(before, GpmMetric.SmUtilization);

        if (isReplaced)
            compute.Should().Throw<ArgumentException>().WithMessage("*created again between*");
        else
            compute().Should().ContainSingle();
    }

    [Fact]
    public void An_instance_in_the_place_of_another_is_not_measured_for_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance instance = machine.Create("1g.18gb", new Placement(0, 1));
        machine.Gpu.GetGpuInstance(instance.Id).Destroy();
        machine.Create("1g.18gb+me", new Placement(0, 1));

        instance.Invoking(i => i.TakeGpmSample()).Should().Throw<NvmlNotFoundException>();
    }

    private static GpmMetricValue Metric(Func<GpmSample> take, GpmMetric metric)
    {
        using GpmSample before = take();
        using GpmSample after = take();
        return after.GetMetricsSince(before, metric)[0];
    }
}
