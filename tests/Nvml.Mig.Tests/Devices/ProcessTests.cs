using Nvml.Mig.Native;

namespace Nvml.Mig.Tests.Devices;

public class ProcessTests
{
    [Fact]
    public void A_gpu_shows_the_processes_of_all_its_instances()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice half = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        MigDevice small = machine.Create("1g.5gb").CreateComputeInstance().GetMigDevice();
        using IDisposable training = machine.Simulator.StartProcess(half, 4711, "python3", memoryMiB: 7000);
        using IDisposable serving = machine.Simulator.StartProcess(small, 815, "tritonserver", memoryMiB: 100);

        machine.Gpu.GetProcesses().Should().Equal(
            new GpuProcess(815, "tritonserver", GpuProcessKinds.Compute, 100L << 20, small.GpuInstanceId, 0),
            new GpuProcess(4711, "python3", GpuProcessKinds.Compute, 7000L << 20, half.GpuInstanceId, 0));
        half.GetProcesses().Should().ContainSingle().Which.ProcessId.Should().Be(4711);
    }

    [Fact]
    public void A_process_on_the_whole_gpu_is_on_no_instance()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        using IDisposable process = machine.Simulator.StartProcess(0, 4711, "python3");

        machine.Gpu.GetProcesses().Should().ContainSingle().Which.Should().BeEquivalentTo(
            new { ProcessId = 4711, GpuInstanceId = (int?)null, ComputeInstanceId = (int?)null });
    }

    [Fact]
    public void A_client_that_nvml_does_not_show_shows_nowhere()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        using IDisposable dcgm = machine.Simulator.HoldGpu(0);

        machine.Gpu.GetProcesses().Should().BeEmpty();
    }

    [Fact]
    public void Processes_are_named_once_each_and_cost_three_calls_more()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();
        using IDisposable training = machine.Simulator.StartProcess(device, 4711, "python3");
        machine.Gpu.GetProcesses(); // asks for the driver's version, once
        long before = machine.Simulator.GetCallCount();

        machine.Gpu.GetProcesses();

        (machine.Simulator.GetCallCount() - before).Should().Be(3 + 1);
    }

    [Fact]
    public void A_process_has_a_name_as_long_as_it_runs()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        using (machine.Simulator.StartProcess(0, 4711, "python3"))
            machine.Session.GetProcessName(4711).Should().Be("python3");

        machine.Session.GetProcessName(4711).Should().BeNull();
    }

    [Fact]
    public void What_is_in_use_is_refused_with_the_name_of_who_uses_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance half = machine.Create("3g.20gb");
        ComputeInstance compute = half.CreateComputeInstance();
        using IDisposable training = machine.Simulator.StartProcess(compute.GetMigDevice(), 4711, "python3");

        NvmlInUseException refused = compute.Invoking(c => c.Destroy()).Should().Throw<NvmlInUseException>().Which;

        refused.Message.Should().EndWith("(NVML_ERROR_IN_USE, 19, from nvmlComputeInstanceDestroy). It is used by process 4711 (python3): end that first.");
        refused.IsTransient.Should().BeTrue();
    }

    [Fact]
    public void The_first_instance_is_refused_with_the_name_of_who_uses_the_gpu()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        using IDisposable training = machine.Simulator.StartProcess(0, 4711, "python3");

        FluentActions.Invoking(() => machine.Create("1g.18gb")).Should().Throw<NvmlInUseException>()
            .WithMessage("*It is used by process 4711 (python3): end that first.");
    }

    [Fact]
    public void A_gpu_in_use_by_this_process_is_said_to_be()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ComputeInstance compute = machine.Create("3g.20gb").CreateComputeInstance();
        MigDevice device = compute.GetMigDevice();
        using IDisposable own = machine.Simulator.StartProcess(device, Environment.ProcessId, "dotnet");

        compute.Invoking(c => c.Destroy()).Should().Throw<NvmlInUseException>().WithMessage("*It is used by this process itself: end *");
        using IDisposable other = machine.Simulator.StartProcess(device, 4711, "python3");
        compute.Invoking(c => c.Destroy()).Should().Throw<NvmlInUseException>()
            .WithMessage("*It is used by process 4711 (python3), and by this process itself: end that first.");
    }

    [Theory]
    [InlineData("535.43.02", true)]
    [InlineData("535.54.03", true)]
    [InlineData("535.86.10", true)]
    [InlineData("535.98", false)]
    [InlineData("535.216.03", false)]
    [InlineData("530.30.02", false)]
    [InlineData("580.159.04", false)]
    [InlineData("unheard of", false)]
    public void Drivers_whose_newest_list_has_longer_elements_are_known(string version, bool isLong) =>
        NativeSession.IsLongProcessInfo(version).Should().Be(isLong);

    [Fact]
    public void A_list_that_never_fits_is_an_error_and_not_all_memory()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetComputeRunningProcesses_v3", NvmlReturnCode.InsufficientSize) with { Nth = null });

        machine.Gpu.Invoking(g => g.GetProcesses()).Should().Throw<NvmlException>().Which.Code.Should().Be(NvmlReturnCode.InsufficientSize);
    }

    [Fact]
    public void A_process_without_a_name_is_a_process_all_the_same()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        using IDisposable process = machine.Simulator.StartProcess(0, 4711, "python3");
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlSystemGetProcessName", NvmlReturnCode.Unknown));

        machine.Gpu.GetProcesses().Should().ContainSingle().Which.Should().BeEquivalentTo(new { ProcessId = 4711, Name = (string?)null });
    }
}
