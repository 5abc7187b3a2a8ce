using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Applying;
using Xunit.Abstractions;

namespace Nvml.Mig.Tests.Applying;

/// <summary>
/// With the driver's locks, an apply to eight GPUs takes the sum of its changes, whoever reads meanwhile: the driver makes one change at a
/// time on a machine, and each read is short.
/// </summary>
public class ApplyTimeTests(ITestOutputHelper output)
{
    private const string Eight = "H200*8";
    private const string Layout = "3g.71gb,2g.35gb";

    /// <summary>On a machine with other work each of the many short reads takes longer; a quiet one is there for the long form.</summary>
    private static readonly double Most = LongTests.Wanted ? 1.05 : 1.15;

    [Fact]
    public void Alone() => Measure((_, _) => null);

    [Fact]
    public void Beside_another_thread_that_reads() => Measure((session, _) => new Reader(session));

    [Fact]
    public void Beside_another_process_that_reads() => Measure((_, stateFile) => ChildProcess.Start(nameof(ApplyTimeTests), stateFile));

    /// <summary>Reads until it is killed, as a program that monitors.</summary>
    public static int ReadForEver(string stateFile)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start(Eight, stateFile);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        simulator.SetLatency(SimulatedLatency.Hardware);
        Read(session);
        Console.WriteLine("reading");
        while (true)
            Read(session);
    }

    private static void Read(NvmlSession session)
    {
        foreach (GpuDevice gpu in session.Devices)
        {
            gpu.GetMigMode();
            gpu.GetTemperatureCelsius();
            gpu.GetPowerUsageWatts();
        }

        Thread.Sleep(10);
    }

    private void Measure(Func<NvmlSession, string, IDisposable?> disturb)
    {
        using TemporaryFolder folder = new();
        using NvmlSimulator simulator = NvmlSimulator.Start(Eight, folder.File("machine"));
        ChangeTimes changes = new();
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath, changes);
        foreach (GpuDevice gpu in session.Devices)
            gpu.EnableMig();
        Apply(Layout); // the code is compiled, the GPUs are known
        using IDisposable? disturbance = disturb(session, folder.File("machine"));
        double best = double.MaxValue;

        // Other work on the machine makes an attempt longer; the apply itself would make each of them longer.
        for (int attempt = 1; best >= Most && attempt <= 4; attempt++)
        {
            Apply("none");
            TimeSpan before = changes.Sum;
            simulator.SetLatency(SimulatedLatency.Hardware);
            Stopwatch time = Stopwatch.StartNew();
            Apply(Layout);
            TimeSpan took = time.Elapsed;
            simulator.SetLatency(SimulatedLatency.None);
            TimeSpan sum = changes.Sum - before;
            best = Math.Min(best, took / sum);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{took} for changes of {sum}: {took / sum:0.000} times"));
        }

        best.Should().BeInRange(1, Most);

        void Apply(string layout) => LayoutApplier
            .ApplyAsync(
                [.. session.Devices.Select(gpu => new GpuTarget(gpu, LayoutSpec.Parse(layout)))],
                new ApplyOptions { JournalFolder = folder.File("journal") })
            .GetAwaiter().GetResult().IsSuccess.Should().BeTrue();
    }

    private sealed class Reader : IDisposable
    {
        private readonly Thread _thread;
        private volatile bool _ends;

        public Reader(NvmlSession session)
        {
            _thread = new Thread(() =>
            {
                while (!_ends)
                    Read(session);
            });
            _thread.Start();
        }

        public void Dispose()
        {
            _ends = true;
            _thread.Join();
        }
    }
}
