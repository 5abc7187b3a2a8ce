using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Leasing.Scheduling;
using Xunit.Abstractions;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>Many processes lease on one machine, some are killed, and the driver fails at random.</summary>
public class ManyProcessesTests(ITestOutputHelper output)
{
    private const string Gpus = "H100-SXM5-80GB*8";

    [Fact]
    public async Task Book_and_machine_are_equal_in_the_end()
    {
        int processes = LongTests.Cases(4, 32);
        int claims = LongTests.Cases(25, 625);
        int kills = LongTests.Cases(4, 500);
        string folder = Directory.CreateTempSubdirectory("nvml-mig-many-").FullName;
        Stopwatch watch = Stopwatch.StartNew();
        // The machine is there as long as one process has it; MIG is enabled by the first.
        using LeaseMachine machine = new(Gpus, folder);
        using (LeaseManager first = await machine.OpenAsync())
            await first.SetPolicyAsync(new SchedulerOptions { KeepRoomAfter = TimeSpan.FromSeconds(2) });

        int seed = 0;
        List<Worker> workers = [.. Enumerable.Range(0, processes).Select(_ => StartWorker(claims))];
        Random random = new(7);
        int killed = 0;
        while (workers.Count > 0)
        {
            await Task.Delay(LongTests.Wanted ? 500 : 50);
            // As the work goes on, so that a process lives to claim something, and another one does what is left.
            int due = Math.Min(kills, CountClaims() * (kills + 1) / (processes * claims));
            while (killed < due && workers.FindAll(w => !w.Process.HasExited) is { Count: > 0 } running)
            {
                Worker victim = running[random.Next(running.Count)];
                victim.Process.Kill();
                killed++;
                await victim.Process.WaitForExitAsync();
                workers.Remove(victim);
                workers.Add(StartWorker(victim.Claims - CountClaims($"waits-{victim.Seed}-*")));
            }

            foreach (Worker ended in workers.Where(w => w.Process.HasExited).ToArray())
            {
                string error = await ended.Process.StandardError.ReadToEndAsync();
                ended.Process.ExitCode.Should().Be(0, error);
                workers.Remove(ended);
            }

            watch.Elapsed.Should().BeLessThan(TimeSpan.FromMinutes(LongTests.Wanted ? 120 : 5));
        }

        await Task.Delay(400); // Leases of 300 ms.
        LeaseManager manager = await machine.OpenAsync();
        LeaseOverview overview = await manager.ReadAsync();
        overview.Leases.Should().BeEmpty();
        overview.Waiting.Should().BeEmpty();
        await machine.CheckAsync(manager, "all have ended");

        double[] waits = [.. Directory.GetFiles(folder, "waits-*").SelectMany(File.ReadLines)
            .Select(line => double.TryParse(line, CultureInfo.InvariantCulture, out double wait) ? wait : 0).Order()];
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{waits.Length} claims by {processes} processes in {watch.Elapsed.TotalSeconds:0} s "
            + $"({waits.Length / watch.Elapsed.TotalSeconds:0} a second), {killed} killed; waits: median {waits[waits.Length / 2]:0} ms, "
            + $"p95 {waits[waits.Length * 95 / 100]:0} ms, longest {waits[^1]:0} ms"));
        waits.Length.Should().Be(processes * claims);
        killed.Should().BeCloseTo(kills, 2);
        Directory.Delete(folder, recursive: true);

        Worker StartWorker(int count)
        {
            seed++;
            return new Worker(seed, count, LeaseWorker.Start(
                "work", folder, Gpus, seed.ToString(CultureInfo.InvariantCulture), count.ToString(CultureInfo.InvariantCulture)));
        }

        int CountClaims(string files = "waits-*") => Directory.GetFiles(folder, files).Sum(file => File.ReadLines(file).Count());
    }

    private sealed record Worker(int Seed, int Claims, Process Process);
}
