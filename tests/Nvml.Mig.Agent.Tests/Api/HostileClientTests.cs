using System.Diagnostics;
using System.Net.Sockets;
using Nvml.Mig.Agent.Tests.Tool;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Agent.Tests.Api;

/// <summary>Clients that send nonsense, too much, or too slowly, are refused, and others notice nothing.</summary>
public class HostileClientTests
{
    private static readonly (string Body, string Code)[] Nonsense =
    [
        ("{", "BadRequest"),
        ("[]", "BadRequest"),
        ("{}", "BadRequest"),
        ("""{"requests":[{"profile":"1g.5gb"}],"owner":0}""", "BadRequest"),
        ("""{"requests":null}""", "BadRequest"),
        ("""{"requests":[]}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb","count":1000000000}]}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb","count":2147483647},{"profile":"1g.5gb","count":2147483647}]}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb","memoryMiB":1}]}""", "Invalid"),
        ("""{"requests":[{}]}""", "Invalid"),
        ("""{"requests":[null]}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb"}],"gpus":[null]}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb"}],"models":[null]}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb"}],"gpus":[""]}""", "Invalid"),
        ("""{"id":"..","requests":[{"profile":"1g.5gb"}]}""", "Invalid"),
        ("""{"id":"shared-7","requests":[{"profile":"1g.5gb"}]}""", "Invalid"),
        ("""{"id":"a (moved at 3)","requests":[{"profile":"1g.5gb"}]}""", "Invalid"),
        ("""{"id":"a/b","requests":[{"profile":"1g.5gb"}]}""", "Invalid"),
        ("""{"id":"","requests":[{"profile":"1g.5gb"}]}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb"}],"durationSeconds":-1}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb"}],"durationSeconds":1e300}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb"}],"waitSeconds":-1}""", "Invalid"),
        ("""{"requests":[{"profile":"1g.5gb"}],"processId":2147483647}""", "Invalid"),
    ];

    [Fact]
    public async Task A_request_that_makes_no_sense_is_refused()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        foreach ((string body, string code) in Nonsense)
        {
            Answer answer = await machine.PostAsync("/v1/leases", body);

            (answer.Code, answer.At("code")).Should().Be((400, code), $"of {body}: {answer.Text}");
            answer.At("detail").Should().NotBeNullOrEmpty();
        }

        (await machine.GetAsync("/v1/leases")).Text.Should().Be("""{"leases":[]}""");
    }

    [Theory]
    [InlineData("GET", "/v1/leases", "evil.example", null, 403)]
    [InlineData("GET", "/", "evil.example:8080", null, 403)]
    [InlineData("GET", "/", "localhost:8080", "http://evil.example", 200)]
    [InlineData("GET", "/", "127.0.0.1:8080", null, 200)]
    [InlineData("GET", "/", "[::1]:8080", null, 200)]
    [InlineData("POST", "/v1/gpus/clear", "localhost:8080", "http://evil.example", 403)]
    [InlineData("POST", "/v1/gpus/clear", "localhost:8080", "null", 403)]
    [InlineData("POST", "/v1/gpus/clear", "localhost:8080", "http://localhost:8080", 200)]
    public async Task A_page_of_another_site_asks_in_vain(string method, string path, string host, string? origin, int status)
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        using HttpRequestMessage request = new(new HttpMethod(method), path);
        request.Headers.Host = host;
        if (origin is not null)
            request.Headers.Add("Origin", origin);

        using HttpResponseMessage response = await machine.Client.SendAsync(request);

        ((int)response.StatusCode).Should().Be(status);
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_refused()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        Answer answer = await machine.PostAsync("/v1/leases", $$"""{"id":"{{new string('x', 100_000)}}","requests":[]}""");

        (answer.Code, answer.At("code")).Should().Be((413, "TooLarge"));
    }

    [Fact]
    public async Task A_head_that_does_not_come_costs_the_connection()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync(
            configure: options => options.Limits.HeadTimeout = TimeSpan.FromSeconds(1));
        List<Stream> slow = [];
        for (int i = 0; i < 20; i++)
        {
            slow.Add(await machine.OpenAsync());
            await slow[i].WriteAsync("GET /v1/leases HTTP/1.1\r\nHo"u8.ToArray());
        }

        Stopwatch watch = Stopwatch.StartNew();
        (await machine.GetAsync("/v1/leases")).Code.Should().Be(200);
        watch.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(1), "others wait for nobody");

        foreach (Stream stream in slow)
        {
            using StreamReader reader = new(stream);
            (await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(10))).Should().StartWith("HTTP/1.1 408");
        }
    }

    [RootFact]
    public async Task Users_cannot_take_the_connections_of_root()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync(configure: options => options.Limits.MaxConnections = 4);
        List<Stream> all = [];
        for (uint uid = 1001; uid <= 1006; uid++)
            all.Add(AgentToolTests.ConnectAs(uid, machine.Socket));

        (await machine.GetAsync("/health/live")).Code.Should().Be(200);
        await Eventually.HoldsAsync(() => all.Count(s => s is NetworkStream { Socket: var socket } && IsClosed(socket)).Should().Be(2));
        all.ForEach(stream => stream.Dispose());

        static bool IsClosed(Socket socket) => socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0;
    }

    [RootFact]
    public async Task A_user_cannot_take_all_connections()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync(configure: options => options.Limits.MaxConnectionsPerUser = 5);
        List<Stream> all = [];
        for (int i = 0; i < 20; i++)
            all.Add(await machine.OpenAsync());

        Answer other = await machine.CurlAsync(1234u, "/v1/leases");

        other.Code.Should().Be(200);
        // Which of them is not said: they are counted beside each other. Those that were let in are closed after 130 seconds of nothing.
        Task[] closed = [.. all.Select(CloseAsync)];
        SpinWait.SpinUntil(() => closed.Count(c => c.IsCompleted) >= 15, 10_000).Should().BeTrue();
        closed.Count(c => c.IsCompleted).Should().Be(15);
        all.ForEach(stream => stream.Dispose());

        static async Task CloseAsync(Stream stream)
        {
            try
            {
                (await stream.ReadAsync(new byte[1])).Should().Be(0);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // Closed too.
            }
        }
    }

    [Fact]
    public async Task Bytes_that_are_no_http_are_refused()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        Random random = new(7);
        for (int i = 0; i < 50; i++)
        {
            byte[] noise = new byte[random.Next(1, 3000)];
            random.NextBytes(noise);
            await using Stream stream = await machine.OpenAsync();
            await stream.WriteAsync((byte[])[.. noise, .. "\r\n\r\n"u8]);
        }

        (await machine.GetAsync("/v1/leases")).Code.Should().Be(200);
    }
}
