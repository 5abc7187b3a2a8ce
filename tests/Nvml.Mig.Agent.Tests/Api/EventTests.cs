using Nvml.Mig.Leasing;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Agent.Tests.Api;

/// <summary>Events as they happen, and for readers that come back.</summary>
public class EventTests
{
    private const string Small = """{"id":"train","requests":[{"profile":"1g.5gb"}]}""";

    [Fact]
    public async Task Events_come_as_they_happen()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        using EventStream stream = await EventStream.OpenAsync(machine);

        await machine.PostAsync("/v1/leases", Small);
        await machine.SendAsync(HttpMethod.Delete, "/v1/leases/train");

        (await stream.ReadAsync()).Should().Match<Event>(e => e.Kind == "Granted" && e.Data.Contains("\"lease\":\"train\""));
        (await stream.ReadAsync()).Kind.Should().Be("Ended");
    }

    [Fact]
    public async Task A_reader_that_comes_back_misses_nothing()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        Event first;
        using (EventStream stream = await EventStream.OpenAsync(machine))
        {
            await machine.PostAsync("/v1/leases", Small);
            first = await stream.ReadAsync();
        }

        await machine.SendAsync(HttpMethod.Delete, "/v1/leases/train");
        await machine.StopAgentAsync();
        await machine.StartAgentAsync();
        using EventStream again = await EventStream.OpenAsync(machine, first.Id);

        (await again.ReadAsync()).Kind.Should().Be("Ended");
        await machine.PostAsync("/v1/leases", Small);
        (await again.ReadAsync()).Kind.Should().Be("Granted");
    }

    [Fact]
    public async Task What_is_not_known_any_more_is_marked()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        using EventStream stream = await EventStream.OpenAsync(machine, "1000");

        (await stream.ReadAsync()).Kind.Should().Be("gap");
    }

    [Fact]
    public async Task A_slow_reader_is_dropped_with_a_mark()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        Events.EventHub hub = (Events.EventHub)machine.Services.GetService(typeof(Events.EventHub))!;
        using EventStream slow = await EventStream.OpenAsync(machine);
        using EventStream quick = await EventStream.OpenAsync(machine);

        // As many as fit into all that lies between, and some more, from a time when the agent has one book and many events.
        string text = new('x', 2000);
        int read = 0;
        for (int i = 1; i <= 3000; i++)
        {
            hub.OnEvent(new LeaseEvent(1_000_000 + i, DateTimeOffset.UtcNow, LeaseEventKind.Granted, "train", i, null, text));
            if ((await quick.ReadAsync()).Kind == "Granted")
                read++;
        }

        read.Should().Be(3000);
        Event last = await slow.ReadAsync();
        int before = 0;
        for (; last.Kind == "Granted"; before++)
            last = await slow.ReadAsync();
        last.Kind.Should().Be("dropped");
        before.Should().BeGreaterThan(Events.EventReader.MaxBehind - 1).And.BeLessThan(3000);
        (await slow.IsOverAsync()).Should().BeTrue();
    }

    [Fact]
    public async Task As_many_readers_as_may_be_and_no_more()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync(configure: options => options.Limits.MaxEventReadersPerUser = 3);
        List<EventStream> streams = [];
        for (int i = 0; i < 3; i++)
            streams.Add(await EventStream.OpenAsync(machine));

        Answer refused = await machine.GetAsync("/v1/events");
        (refused.Code, refused.At("code")).Should().Be((429, "TooMany"));

        streams.ForEach(stream => stream.Dispose());
        await Eventually.HoldsAsync(async () =>
        {
            using HttpResponseMessage response = await machine.Client.GetAsync("/v1/events", HttpCompletionOption.ResponseHeadersRead);
            ((int)response.StatusCode).Should().Be(200);
        });
    }

    [Fact]
    public async Task Readers_are_told_that_the_agent_stops()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        using EventStream stream = await EventStream.OpenAsync(machine);

        Task<Event> mark = stream.ReadAsync();
        await machine.StopAsync();

        (await mark).Kind.Should().Be("stopping");
    }

    private sealed record Event(string? Id, string Kind, string Data);

    /// <summary>A reader of events, as the standard of server-sent events has it.</summary>
    private sealed class EventStream : IDisposable
    {
        private readonly HttpResponseMessage _response;
        private readonly StreamReader _reader;

        private EventStream(HttpResponseMessage response, Stream stream)
        {
            _response = response;
            _reader = new StreamReader(stream);
        }

        public static async Task<EventStream> OpenAsync(AgentMachine machine, string? lastId = null)
        {
            HttpRequestMessage request = new(HttpMethod.Get, "/v1/events");
            if (lastId is not null)
                request.Headers.Add("Last-Event-ID", lastId);
            HttpResponseMessage response = await machine.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            ((int)response.StatusCode).Should().Be(200);
            return new EventStream(response, await response.Content.ReadAsStreamAsync());
        }

        public async Task<Event> ReadAsync()
        {
            string? id = null, kind = null, data = null;
            using CancellationTokenSource late = new(TimeSpan.FromSeconds(20));
            while (await _reader.ReadLineAsync(late.Token) is { } line)
            {
                if (line.StartsWith("id: ", StringComparison.Ordinal))
                    id = line[4..];
                else if (line.StartsWith("event: ", StringComparison.Ordinal))
                    kind = line[7..];
                else if (line.StartsWith("data: ", StringComparison.Ordinal))
                    data = line[6..];
                else if (line.Length == 0 && kind is not null)
                    return new Event(id, kind, data!);
            }

            throw new EndOfStreamException();
        }

        public async Task<bool> IsOverAsync() => await _reader.ReadLineAsync() is null;

        public void Dispose()
        {
            _reader.Dispose();
            _response.Dispose();
        }
    }
}
