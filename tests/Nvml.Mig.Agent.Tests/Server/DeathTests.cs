using Nvml.Mig.Applying;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Tests;
using Nvml.Mig.Tests;
using Xunit.Abstractions;

namespace Nvml.Mig.Agent.Tests.Server;

/// <summary>The agent is killed again and again, and what it has granted stays.</summary>
public class DeathTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Every_lease_is_there_after_the_agents_death()
    {
        int deaths = LongTests.Cases(3, 100);
        await using AgentMachine machine = new("H100-SXM5-80GB*2");
        HashSet<string> granted = [];
        HashSet<string> released = [];
        Random random = new(7);
        int asked = 0, unknown = 0;
        for (int death = 0; death < deaths; death++)
        {
            using AgentProcess agent = await AgentProcess.StartAsync(machine);
            using HttpClient client = machine.Connect();
            foreach (string id in granted.Except(released))
                (await machine.SendAsync(HttpMethod.Get, $"/v1/leases/{id}", null, client)).Code.Should().Be(200, $"{id} was granted");
            Task? killed = null;
            int answers = random.Next(1, 8);
            try
            {
                for (int i = 0; true; i++)
                {
                    if (i == answers)
                        killed = KillAfterAsync(agent, random.Next(20)); // In the middle of whatever comes next.
                    await ChangeAsync(client);
                }
            }
            catch (HttpRequestException)
            {
                unknown++; // Killed in the middle: what it came to is found out by asking again.
            }

            await killed!;
        }

        using AgentProcess last = await AgentProcess.StartAsync(machine);
        using HttpClient end = machine.Connect();
        foreach (string id in granted.Except(released))
            (await machine.SendAsync(HttpMethod.Get, $"/v1/leases/{id}", null, end)).Code.Should().Be(200, $"{id} was granted");
        await last.KillAsync();
        using LeaseManager manager = await machine.Leases.OpenAsync();
        await machine.Leases.CheckAsync(manager, "nobody but the agent changed the machine");
        granted.Should().NotBeEmpty();
        output.WriteLine($"{deaths} deaths, {unknown} within a request; {asked} requests, {granted.Count} leases granted.");

        async Task ChangeAsync(HttpClient client)
        {
            asked++;
            string[] standing = [.. granted.Except(released)];
            if (standing.Length > 5)
            {
                string id = standing[random.Next(standing.Length)];
                released.Add(id); // Before it is asked for: if the answer is lost, it may be either.
                (await machine.SendAsync(HttpMethod.Delete, $"/v1/leases/{id}", null, client)).Code.Should().BeOneOf(204, 404);
                return;
            }

            string name = $"lease-{asked}";
            string profile = random.Next(3) == 0 ? "2g.20gb" : "1g.10gb";
            Answer answer = await machine.SendAsync(
                HttpMethod.Post, "/v1/leases", $$"""{"id":"{{name}}","requests":[{"profile":"{{profile}}"}]}""", client);
            if (answer.Code == 200)
                granted.Add(name);
            else
                answer.Code.Should().Be(409, answer.Text);
        }
    }

    [Fact]
    public async Task Told_to_stop_while_it_starts_it_ends_well()
    {
        await using AgentMachine machine = new("H100-SXM5-80GB");
        using ChangeLock taken = await ChangeLock.TakeAsync(machine.Leases.JournalFolder, TimeSpan.FromSeconds(10));
        using AgentProcess agent = AgentProcess.Start(machine);
        await Eventually.HoldsAsync(() => Directory.GetFiles($"/proc/{agent.Id}/fd").Select(file => new FileInfo(file).LinkTarget)
            .Should().Contain(Path.Combine(machine.Leases.JournalFolder, "wanted"), "it waits for the lock"));

        int exit = await agent.StopAsync();

        exit.Should().Be(0, agent.Said);
        agent.Said.Should().NotContain("Unhandled exception");
    }

    private static async Task KillAfterAsync(AgentProcess agent, int milliseconds)
    {
        await Task.Delay(milliseconds);
        await agent.KillAsync();
    }
}
