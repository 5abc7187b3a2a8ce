using System.CommandLine;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Cli.Top;

/// <summary><c>nvmig top</c>: shows what GPUs and MIG devices do, who has them, and who waits.</summary>
internal static class TopCommand
{
    private static readonly Option<TimeSpan?> Interval = Durations.Option("--interval", "How often it reads. By default every 2 seconds.");

    private static readonly Option<bool> Once = new("--once")
    {
        Description = "Print one reading and end. So it does without a terminal, and with --json.",
    };

    public static Command Build()
    {
        Command command = new("top", "Show live what GPUs and MIG devices do, who has them, and who waits.")
        {
            Interval, Once, ApplyArguments.JournalFolder,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine)));
        return command;
    }

    /// <summary>Reads and draws until a key, the token or the end of the screen ends it.</summary>
    public static void Watch(Func<TopReading> read, ILiveScreen screen, TimeSpan interval, CancellationToken cancellationToken)
    {
        TopState state = new();
        while (!cancellationToken.IsCancellationRequested && !screen.IsGone)
        {
            TopReading reading = read();
            long started = TimeProvider.System.GetTimestamp();
            while (true)
            {
                screen.Draw(TopView.ToScreen(reading, state, screen.Width, screen.Height));
                TimeSpan left = interval - TimeProvider.System.GetElapsedTime(started);
                if (left <= TimeSpan.Zero || screen.ReadKey(left, cancellationToken) is not { } key)
                    break;
                if (!state.Take(key, page: Math.Max(1, screen.Height - 3)))
                    return;
            }
        }
    }

    private static int Run(ParseResult parsed, Machine machine)
    {
        TimeSpan interval = parsed.GetValue(Interval) ?? TimeSpan.FromSeconds(2);
        if (interval < GpuMonitor.Interval)
            throw new UsageException("--interval is 1 second at least: more often nothing is read.");
        IReadOnlyList<GpuDevice> gpus = machine.Gpus();
        using TopReader reader = new(
            machine.Session,
            gpus,
            ApplyArguments.GetJournalFolder(parsed, machine),
            agent: LeaseRun.FindAgent(parsed, machine));
        if (parsed.GetValue(Once) || machine.Json || !Terminal.CanDraw)
            return ShowOnce(machine, reader, gpus);

        using Interruption interruption = new(changes: false);
        using LiveScreen screen = new();
        Watch(reader.Read, screen, interval, interruption.Token);
        return ExitCodes.Success;
    }

    private static int ShowOnce(Machine machine, TopReader reader, IReadOnlyList<GpuDevice> gpus)
    {
        TopReading reading = reader.Read();
        if (TopReader.MeasuresActivity(reading, gpus))
        {
            Thread.Sleep(GpuMonitor.Interval);
            reading = reader.Read();
        }

        if (machine.Json)
        {
            Documents.Print(TopDocument.From(reading));
        }
        else
        {
            foreach (string line in TopView.ToLines(reading, new TopState(), Terminal.Width))
                Terminal.WriteLine(line);
        }

        NvmlException[] errors = [.. reading.Machine.Gpus.Select(gpu => gpu.Error).OfType<NvmlException>()];
        foreach (NvmlException error in errors)
            Terminal.WriteError(error.Message);
        return errors.Length > 0 ? ExitCodes.For(errors[0]) : ExitCodes.Success;
    }
}
