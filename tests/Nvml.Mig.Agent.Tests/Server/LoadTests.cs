using System.Collections.Concurrent;
using System.Diagnostics;
using Nvml.Mig.Leasing.Tests;
using Xunit.Abstractions;

namespace Nvml.Mig.Agent.Tests.Server;

/// <summary>Many clients at once, and a driver that fails now and then: no claim is lost, and the agent does not grow.</summary>
public class LoadTests(ITestOutputHelper output)
{
    private const int Clients = 64;

    /// <summary>One in fifty GPU instances cannot be created.</summary>
    private const string Faults = "nvmlDeviceCreateGpuInstanceWithPlacement~0.02/7=NVML_ERROR_UNKNOWN";

    [Fact]
    public async Task No_claim_is_lost_and_memory_stays()
    {
        int requests = LongTests.Cases(2_000, 50_000);
        TimeSpan duration = TimeSpan.FromMinutes(LongTests.Cases(0, 60));
        await using AgentMachine machine = new("H100-SXM5-80GB*8");
        using AgentProcess agent = await AgentProcess.StartAsync(machine, Faults);
        ConcurrentBag<double> times = [];
        ConcurrentDictionary<int, int> codes = [];
        List<double> memory = [];
        Stopwatch watch = Stopwatch.StartNew();

        Task load = Task.WhenAll(Enumerable.Range(0, Clients).Select(ClientAsync));
        while (await Task.WhenAny(load, Task.Delay(100)) != load)
            memory.Add(agent.ReadMemory());
        await load;

        double seconds = watch.Elapsed.TotalSeconds;
        double[] sorted = [.. times.Order()];
        double[] twelfths = [.. memory.Chunk((memory.Count + 11) / 12).Select(part => part.Order().ElementAt(part.Length / 2))];
        output.WriteLine(
            $"{Clients} clients, {sorted.Length} requests in {seconds:F1} s ({sorted.Length / seconds:F0}/s): "
            + $"p50 {sorted[sorted.Length / 2]:F1} ms, p99 {sorted[sorted.Length * 99 / 100]:F1} ms, "
            + $"longest {sorted[^1]:F0} ms; {agent.ReadProcessorTime() * 1000 / sorted.Length:F1} ms of processor each; "
            + $"memory in MiB, the median of each twelfth of the time: {string.Join(" ", twelfths.Select(m => $"{m:F0}"))}; "
            + string.Join(", ", codes.OrderBy(c => c.Key).Select(c => $"{c.Key}: {c.Value}")));
        (await machine.SendAsync(HttpMethod.Get, "/v1/leases", null, machine.Connect())).Text.Should().Be("""{"leases":[]}""");
        codes.Keys.Should().BeSubsetOf([200, 202, 204]);
        double warm = twelfths[3..6].Max();
        twelfths[^3..].Max().Should().BeLessThan(LongTests.Wanted ? warm * 1.05 : warm * 1.5 + 50);

        async Task ClientAsync(int number)
        {
            using HttpClient client = Connect(machine);
            Random random = new(number);
            string[] profiles = ["1g.10gb", "1g.10gb", "2g.20gb", "3g.40gb"];
            for (int i = 0; Interlocked.Add(ref requests, -2) >= 0 || watch.Elapsed < duration; i++)
            {
                string id = $"c{number}-{i}";
                string claim = $$"""
                    {"id":"{{id}}","requests":[{"profile":"{{profiles[random.Next(4)]}}"}],"durationSeconds":600,"waitSeconds":20}
                    """;
                Answer answer;
                do
                    answer = await TimeAsync(client, HttpMethod.Post, "/v1/leases", claim);
                while (answer.Code == 202);
                answer.At("lease", "id").Should().Be(id, answer.Text);
                await TimeAsync(client, HttpMethod.Delete, $"/v1/leases/{id}", null);
            }
        }

        async Task<Answer> TimeAsync(HttpClient client, HttpMethod method, string path, string? body)
        {
            long start = Stopwatch.GetTimestamp();
            Answer answer = await machine.SendAsync(method, path, body, client);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            codes.AddOrUpdate(answer.Code, 1, (_, count) => count + 1);
            return answer;
        }
    }

    [Fact]
    public async Task Deaths_in_the_load_lose_no_lease()
    {
        int deaths = LongTests.Cases(2, 100);
        int clients = LongTests.Cases(8, Clients);
        await using AgentMachine machine = new("H100-SXM5-80GB*8");
        Random random = new(7);
        ConcurrentQueue<string> lost = [];
        int granted = 0;
        bool isOver = false;
        Task[] load = [.. Enumerable.Range(0, clients).Select(ClientAsync)];

        for (int death = 0; death < deaths; death++)
        {
            using AgentProcess agent = await AgentProcess.StartAsync(machine, Faults);
            await Task.Delay(random.Next(200, 1000));
            await agent.KillAsync();
        }

        using AgentProcess last = await AgentProcess.StartAsync(machine);
        Volatile.Write(ref isOver, true);
        await Task.WhenAll(load);
        output.WriteLine($"{deaths} deaths, {clients} clients, {granted} leases granted, looked for and released.");
        lost.Should().BeEmpty();
        (await machine.SendAsync(HttpMethod.Get, "/v1/leases", null, machine.Connect())).Text.Should().Be("""{"leases":[]}""");

        async Task ClientAsync(int number)
        {
            using HttpClient client = Connect(machine);
            for (int i = 0; !Volatile.Read(ref isOver); i++)
            {
                string id = $"c{number}-{i}";
                string claim = $$"""{"id":"{{id}}","requests":[{"profile":"1g.10gb"}],"durationSeconds":600,"waitSeconds":20}""";
                Answer answer;
                do
                    (answer, _) = await AskAsync(client, HttpMethod.Post, "/v1/leases", claim);
                while (answer.Code == 202);
                string? generation = answer.At("lease", "generation");
                Interlocked.Increment(ref granted);
                (Answer there, _) = await AskAsync(client, HttpMethod.Get, $"/v1/leases/{id}", null);
                if (generation is null || there.At("lease", "generation") != generation)
                    lost.Enqueue($"{id} was granted as {answer.Text}, and later was {there.Text}");
                (Answer released, bool isFirst) = await AskAsync(client, HttpMethod.Delete, $"/v1/leases/{id}", null);
                if (released.Code != 204 && (isFirst || released.Code != 404))
                    lost.Enqueue($"{id} could not be released: {released.Text}");
            }
        }

        // Asks until there is an answer: the one before may have been lost with the agent.
        async Task<(Answer Answer, bool IsFirst)> AskAsync(HttpClient client, HttpMethod method, string path, string? body)
        {
            for (bool isFirst = true; ; isFirst = false)
            {
                try
                {
                    return (await machine.SendAsync(method, path, body, client), isFirst);
                }
                catch (HttpRequestException)
                {
                    await Task.Delay(20);
                }
            }
        }
    }

    private static HttpClient Connect(AgentMachine machine)
    {
        lock (machine)
            return machine.Connect();
    }
}
