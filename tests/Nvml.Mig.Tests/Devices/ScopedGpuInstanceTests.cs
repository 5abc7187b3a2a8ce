using System.Diagnostics;

namespace Nvml.Mig.Tests.Devices;

public class ScopedGpuInstanceTests
{
    [Fact]
    public async Task It_is_there_for_its_scope_and_leaves_nothing()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();

        await using (ScopedGpuInstance slice = machine.Gpu.OpenScoped(machine.Gpu.GetGpuInstanceProfile("3g.20gb")))
        {
            machine.Gpu.GetMigDevices().Select(d => d.Uuid).Should().Equal(slice.MigDevice.Uuid);
            slice.ComputeInstance.Placement.Should().Be(new Placement(0, 3));
        }

        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public async Task Disposal_waits_for_a_process_that_is_ending()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ScopedGpuInstance slice = machine.Gpu.OpenScoped(machine.Gpu.GetGpuInstanceProfile("3g.20gb"));
        IDisposable job = machine.Simulator.StartProcess(slice.MigDevice, 4711, "python3");

        ValueTask disposing = slice.DisposeAsync();
        disposing.IsCompleted.Should().BeFalse();
        machine.Gpu.GetGpuInstances().Should().ContainSingle("nothing in use is destroyed");
        job.Dispose();
        await disposing;

        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void An_instance_in_use_at_the_timeout_is_left_and_reported()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ScopedGpuInstance slice = machine.Gpu.OpenScoped(
            machine.Gpu.GetGpuInstanceProfile("3g.20gb"), timeout: TimeSpan.FromMilliseconds(120));
        IDisposable job = machine.Simulator.StartProcess(slice.MigDevice, 4711, "python3");
        Stopwatch watch = Stopwatch.StartNew();

        slice.Invoking(s => s.Dispose()).Should().Throw<NvmlInUseException>().WithMessage(
            "The scoped GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-*) remains after * s: Cannot destroy compute instance 0 *It is "
                + "used by process 4711 (python3): end that first. Dispose again to try again.");

        watch.Elapsed.Should().BeGreaterThan(TimeSpan.FromMilliseconds(100));
        machine.Gpu.GetMigDevices().Should().ContainSingle("the job goes on");

        job.Dispose();
        slice.Dispose();
        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void What_others_made_in_it_stays()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ScopedGpuInstance slice = machine.Gpu.OpenScoped(machine.Gpu.GetGpuInstanceProfile("3g.20gb"));
        slice.ComputeInstance.Destroy();
        ComputeInstance other = slice.GpuInstance.CreateComputeInstance(slice.GpuInstance.GetComputeInstanceProfiles()[0]);

        slice.Invoking(s => s.Dispose()).Should().Throw<NvmlInUseException>().WithMessage(
            "The scoped GPU instance 2 *, without its compute instance, remains after 0 s: *It still has compute instance 0: destroy "
                + "that first. Dispose again to try again.");

        slice.GpuInstance.GetComputeInstances().Should().ContainSingle().Which.Placement.Should().Be(other.Placement);
    }

    [Fact]
    public void What_others_destroyed_is_no_error()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ScopedGpuInstance slice = machine.Gpu.OpenScoped(machine.Gpu.GetGpuInstanceProfile("3g.20gb"));
        slice.ComputeInstance.Destroy();
        machine.Gpu.GetGpuInstance(slice.GpuInstance.Id).Destroy();
        machine.Create("1g.5gb");

        slice.Dispose();
        slice.Dispose();

        machine.Gpu.GetGpuInstances().Should().ContainSingle("a stranger in its place is left alone");
    }

    [Theory]
    [InlineData("nvmlGpuInstanceCreateComputeInstance")]
    [InlineData("nvmlDeviceGetMaxMigDeviceCount")]
    public void If_it_cannot_be_opened_whole_nothing_is_left(string function)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return(function, NvmlReturnCode.Unknown));

        machine.Gpu.Invoking(g => g.OpenScoped(g.GetGpuInstanceProfile("3g.20gb")))
            .Should().Throw<NvmlException>().Which.Function.Should().Be(function);

        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void If_it_cannot_be_undone_either_that_is_said()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(
            NvmlFault.Return("nvmlGpuInstanceCreateComputeInstance", NvmlReturnCode.Unknown),
            NvmlFault.Return("nvmlGpuInstanceDestroy", NvmlReturnCode.InUse));

        machine.Gpu.Invoking(g => g.OpenScoped(g.GetGpuInstanceProfile("3g.20gb"))).Should().Throw<NvmlException>().WithMessage(
            "Cannot create a compute instance 3g.20gb *GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-*) was created before and could not "
                + "be destroyed again: Cannot destroy GPU instance 2 *");
    }

    [Fact]
    public void An_instance_gone_just_before_its_destruction_is_no_error()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ScopedGpuInstance slice = machine.Gpu.OpenScoped(machine.Gpu.GetGpuInstanceProfile("3g.20gb"));
        machine.Simulator.SetFaults(NvmlFault.DestroyGpuInstance("nvmlComputeInstanceDestroy", 0, slice.GpuInstance.Id));

        slice.Dispose();

        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void What_fails_keeps_its_type()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ScopedGpuInstance slice = machine.Gpu.OpenScoped(machine.Gpu.GetGpuInstanceProfile("3g.20gb"));
        machine.Simulator.SetPrivileges(SimulatedPrivileges.Monitor);

        slice.Invoking(s => s.Dispose()).Should().Throw<NvmlNoPermissionException>().WithInnerException<NvmlNoPermissionException>();
    }

    [Fact]
    public void Waiting_asks_the_driver_now_and_then_and_not_all_the_time()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        ScopedGpuInstance slice = machine.Gpu.OpenScoped(machine.Gpu.GetGpuInstanceProfile("3g.20gb"), timeout: TimeSpan.FromSeconds(1));
        using IDisposable job = machine.Simulator.StartProcess(slice.MigDevice, 4711, "python3");

        slice.Invoking(s => s.Dispose()).Should().Throw<NvmlInUseException>();

        machine.Simulator.GetCallCount("nvmlComputeInstanceDestroy").Should().BeInRange(2, 7);
    }

    [Fact]
    public void Timeout_is_not_negative()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();

        machine.Gpu.Invoking(g => g.OpenScoped(g.GetGpuInstanceProfile("3g.20gb"), timeout: TimeSpan.FromSeconds(-3)))
            .Should().Throw<ArgumentOutOfRangeException>();
        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }
}
