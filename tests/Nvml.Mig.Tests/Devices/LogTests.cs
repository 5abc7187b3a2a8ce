using Microsoft.Extensions.Logging;

namespace Nvml.Mig.Tests.Devices;

public class LogTests
{
    [Fact]
    public void Changes_and_failures_are_logged_and_reads_are_not()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start();
        Recorder log = new();
        using (NvmlSession session = NvmlSession.Open(simulator.LibraryPath, log))
        {
            GpuDevice gpu = session.Devices[0];
            gpu.EnableMig();
            GpuInstance instance = gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("3g.20gb"));
            ComputeInstance inside = instance.CreateComputeInstance();
            instance.Invoking(i => i.Destroy()).Should().Throw<NvmlInUseException>();
            inside.Destroy();
            instance.Destroy();
            gpu.GetGpuInstances();
        }

        string[] expected =
        [
            "Debug 1: NVML session opened on *libnvml-stub.so",
            "Information 10: Set MIG mode of GPU 0 (GPU-*) to True: Activated, in * ms",
            "Information 11: Created GPU instance 2 (3g.20gb at 4:4) on GPU 0 (GPU-*) in * ms",
            "Information 13: Created compute instance 0 (3g.20gb at 0:3) in GPU instance 2 of GPU 0 (GPU-*) in * ms",
            "Warning 3: nvmlGpuInstanceDestroy returned NVML_ERROR_IN_USE (19): cannot destroy GPU instance 2 of GPU 0 (GPU-*)",
            "Information 14: Destroyed compute instance 0 (3g.20gb) of GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-*) in * ms",
            "Information 12: Destroyed GPU instance 2 of GPU 0 (GPU-*) in * ms",
            "Debug 2: NVML session closed",
        ];
        log.Lines.Should().HaveSameCount(expected);
        foreach ((string line, string pattern) in log.Lines.Zip(expected))
            line.Should().Match(pattern);
    }

    [Fact]
    public void A_logger_that_throws_loses_nothing()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start();
        using (NvmlSession session = NvmlSession.Open(simulator.LibraryPath, new ThrowingLogger()))
        {
            GpuDevice gpu = session.Devices[0];
            gpu.EnableMig().Outcome.Should().Be(MigModeOutcome.Activated);
            gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("3g.20gb")).Destroy();
            gpu.GetGpuInstances().Should().BeEmpty();
        }

        simulator.GetCallCount("nvmlShutdown").Should().Be(1);
    }

    private sealed class Recorder : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add($"{logLevel} {eventId.Id}: {formatter(state, exception)}");
    }

    private sealed class ThrowingLogger : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            throw new InvalidOperationException("The disk is full.");
    }
}
