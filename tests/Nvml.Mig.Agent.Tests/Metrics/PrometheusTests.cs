using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Tests;
using Nvml.Mig.Tests;
using Xunit.Abstractions;

namespace Nvml.Mig.Agent.Tests.Metrics;

/// <summary>A real Prometheus scrapes the agent by TCP, with a token, while leases come and go.</summary>
public class PrometheusTests(ITestOutputHelper output)
{
    private const string Token = "a-token-of-a-scraper-0123456789";

    [ToolFact("prometheus")]
    public async Task Only_what_is_there_has_series_and_each_its_owner()
    {
        const string gpus = "H100-SXM5-80GB*8";
        await using AgentMachine machine = new(gpus);
        string callers = machine.File("callers");
        File.WriteAllText(callers, $"65534 token {Token}\n");
        File.SetUnixFileMode(callers, UnixFileMode.UserRead);
        int port = FreePort();
        await machine.StartAgentAsync(options => (options.Tcp.Port, options.Tcp.CallersFile) = (port, callers));
        using Prometheus prometheus = await Prometheus.StartAsync(machine, port);
        long calls = machine.Leases.Simulator.GetCallCount();
        Stopwatch time = Stopwatch.StartNew();

        int claims = 0;
        TimeSpan length = TimeSpan.FromSeconds(LongTests.Cases(8, 60));
        Queue<string> leased = new();
        while (time.Elapsed < length)
        {
            while (leased.Count < 56)
                leased.Enqueue(await ClaimAsync(machine, claims++));
            await Task.Delay(400);
            for (int i = 0; i < 7; i++)
                await machine.Manager.ReleaseAsync(leased.Dequeue());
        }

        calls = machine.Leases.Simulator.GetCallCount() - calls;
        LeaseOverview now = await machine.Manager.ReadAsync();
        Dictionary<string, string> owners = now.Leases.SelectMany(l => l.Instances.Select(i => (i.MigUuid, l.Id)))
            .ToDictionary(l => l.MigUuid, l => l.Id);
        (string, string?)[] there = [.. machine.Leases.Session.Devices.SelectMany(g => g.GetMigDevices())
            .Select(d => (d.Uuid, owners.GetValueOrDefault(d.Uuid)))];
        await Eventually.HoldsAsync(async () =>
        {
            JsonArray series = await prometheus.QueryAsync("hw_gpu_memory_usage_bytes{hw_parent!=\"\"}");
            series.Select(s => s!["metric"]!).Select(m => (m["hw_id"]!.ToString(), m["nvml_mig_lease_id"]?.ToString()))
                .Should().BeEquivalentTo(there);
        });

        // Over all that time, each value of an instance that was leased had its owner.
        const string ownerless = "hw_gpu_memory_usage_bytes{nvml_mig_lease_id!=\"\",nvml_mig_owner_uid=\"\"}[5m]";
        (await prometheus.QueryAsync($"count(count_over_time({ownerless}))")).Should().BeEmpty();
        JsonNode scrape = (await prometheus.QueryAsync("avg_over_time(scrape_duration_seconds[5m])"))[0]!;
        JsonNode samples = (await prometheus.QueryAsync("scrape_samples_scraped"))[0]!;
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{claims} claims in {length}; a scrape of {samples["value"]![1]} samples took {scrape["value"]![1]} s; {calls} native calls"));
    }

    private static async Task<string> ClaimAsync(AgentMachine machine, int number)
    {
        string id = string.Create(CultureInfo.InvariantCulture, $"lease-{number}");
        LeaseOwner owner = new((uint)(1000 + (number % 5)), string.Create(CultureInfo.InvariantCulture, $"slurm:{number}"));
        Claim claim = new(id, LeaseOptions.DefaultQueue, owner, [InstanceRequest.Of("1g.10gb")]);
        await machine.Manager.ClaimAsync(claim, LeaseHold.UntilReleased, TimeSpan.FromMinutes(1));
        return id;
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private sealed class Prometheus : IDisposable
    {
        private readonly Process _process;
        private readonly HttpClient _client;

        private Prometheus(Process process, int port)
        {
            _process = process;
            _client = new HttpClient { BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/")) };
        }

        public static async Task<Prometheus> StartAsync(AgentMachine machine, int agent)
        {
            string token = machine.File("token");
            File.WriteAllText(token, Token);
            string configuration = machine.File("prometheus.yml");
            File.WriteAllText(configuration, string.Create(CultureInfo.InvariantCulture, $$"""
                global: { scrape_interval: 1s }
                scrape_configs:
                - job_name: nvmig
                  authorization: { credentials_file: {{token}} }
                  static_configs: [ { targets: [ "127.0.0.1:{{agent}}" ] } ]
                """));
            int port = FreePort();
            ProcessStartInfo start = new("prometheus", [
                $"--config.file={configuration}", $"--storage.tsdb.path={machine.File("tsdb")}",
                string.Create(CultureInfo.InvariantCulture, $"--web.listen-address=127.0.0.1:{port}")])
            {
                UseShellExecute = false,
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            };
            Process process = Process.Start(start)!;
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            Prometheus prometheus = new(process, port);
            for (int i = 0; ; i++)
            {
                try
                {
                    if ((await prometheus.QueryAsync("up")).Count > 0)
                        return prometheus;
                }
                catch (HttpRequestException) when (i < 100)
                {
                    // It is about to start.
                }

                await Task.Delay(200);
            }
        }

        public async Task<JsonArray> QueryAsync(string query)
        {
            string answer = await _client.GetStringAsync("api/v1/query?query=" + Uri.EscapeDataString(query));
            return JsonNode.Parse(answer)!["data"]!["result"]!.AsArray();
        }

        public void Dispose()
        {
            _client.Dispose();
            _process.Kill();
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
