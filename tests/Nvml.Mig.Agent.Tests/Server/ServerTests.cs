using System.Net;
using System.Net.Sockets;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Nvml.Mig.Hosting;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Tests.Leases;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Agent.Tests.Server;

/// <summary>The agent as a process of the machine: its socket, its configuration, its start and its end.</summary>
public class ServerTests
{
    [Fact]
    public async Task Everybody_may_connect()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        File.GetUnixFileMode(machine.Socket).Should().Be((UnixFileMode)0b110_110_110);
    }

    [Fact]
    public async Task Every_option_of_leasing_reaches_it()
    {
        await using AgentMachine machine = new();
        LeaseHostingOptions others = new();
        foreach (PropertyInfo option in typeof(LeaseHostingOptions).GetProperties())
        {
            option.SetValue(others, option.GetValue(others) switch
            {
                string => "/elsewhere",
                TimeSpan => TimeSpan.FromSeconds(7),
                bool value => !value,
                object value => throw new NotSupportedException($"{option.Name} is {value}."),
                null => throw new NotSupportedException($"{option.Name} has no default."),
            });
        }

        await using WebApplication agent = machine.Build(options => options.Leasing = others);

        agent.Services.GetRequiredService<IOptions<LeaseHostingOptions>>().Value.Should().BeEquivalentTo(others);
    }

    [Fact]
    public async Task A_socket_that_somebody_answers_on_is_not_replaced()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        await using WebApplication second = machine.Build();
        Func<Task> start = () => second.StartAsync();

        (await start.Should().ThrowAsync<IOException>()).WithMessage($"Another agent has {machine.Socket}*");
        (await machine.GetAsync("/v1/leases")).Code.Should().Be(200);
    }

    [Fact]
    public async Task A_socket_that_was_left_behind_is_replaced()
    {
        await using AgentMachine machine = new();
        using (Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            left.Bind(new UnixDomainSocketEndPoint(machine.Socket));
            File.Move(machine.Socket, machine.File("moved")); // Closing it would delete it.
        }

        File.Move(machine.File("moved"), machine.Socket);

        await machine.StartAgentAsync();

        (await machine.GetAsync("/v1/leases")).Code.Should().Be(200);
    }

    [Fact]
    public async Task A_folder_that_others_can_write_to_is_refused()
    {
        await using AgentMachine machine = new();
        string folder = Directory.CreateDirectory(machine.File("open")).FullName;
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_111_111);

        Func<Task> start = () => machine.StartAgentAsync(options => options.Socket = Path.Combine(folder, "agent.sock"));

        (await start.Should().ThrowAsync<IOException>()).WithMessage($"Others can write to {folder}*");
    }

    [Fact]
    public async Task Options_that_make_no_sense_end_the_start()
    {
        await using AgentMachine machine = new();

        Func<Task> start = () => machine.StartAgentAsync(options =>
        {
            options.Group = "nobody-has-this";
            options.Tcp.Port = 8443;
            options.Tcp.Address = "0.0.0.0";
            options.Limits.MaxBodyBytes = 0;
        });

        (await start.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().Equal(
            "Group is 'nobody-has-this': there is no such group.",
            "Tcp:CallersFile is missing: on TCP it must be known who calls.",
            "Tcp:CertificateFile is missing: 0.0.0.0 is no loopback address, and tokens must not be seen on the way.",
            "Limits:MaxBodyBytes must be more than 0.");
    }

    [Fact]
    public async Task Tcp_is_for_those_with_a_token()
    {
        await using AgentMachine machine = new();
        int port = FreePort();
        string file = machine.File("callers");
        await File.WriteAllTextAsync(file, "# who has what\n0 token root-has-this-secret-one\n1234 token another-secret-for-1234\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await machine.StartAgentAsync(options =>
        {
            options.Tcp.Port = port;
            options.Tcp.CallersFile = file;
        });
        using HttpClient client = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}") };

        Answer nobody = await machine.SendAsync(HttpMethod.Get, "/v1/leases", null, client);
        client.DefaultRequestHeaders.Authorization = new("Bearer", "root-has-this-secret-onf");
        Answer wrong = await machine.SendAsync(HttpMethod.Get, "/v1/leases", null, client);
        client.DefaultRequestHeaders.Authorization = new("Bearer", "another-secret-for-1234");
        Answer right = await machine.SendAsync(HttpMethod.Post, "/v1/leases", """{"requests":[{"profile":"1g.5gb"}]}""", client);
        Answer rule = await machine.SendAsync(HttpMethod.Delete, "/v1/queues/default", null, client);

        (nobody.Code, wrong.Code, right.Code, rule.Code).Should().Be((401, 401, 200, 403));
        right.At("lease", "uid").Should().Be("1234");
    }

    [Fact]
    public async Task Tokens_that_others_can_read_are_refused()
    {
        await using AgentMachine machine = new();
        string file = machine.File("callers");
        await File.WriteAllTextAsync(file, "0 token root-has-this-secret-one\n");
        File.SetUnixFileMode(file, (UnixFileMode)0b110_100_100);

        Func<Task> start = () => machine.StartAgentAsync(options =>
        {
            options.Tcp.Port = FreePort();
            options.Tcp.CallersFile = file;
        });

        (await start.Should().ThrowAsync<InvalidDataException>()).WithMessage("*others can read or write it*");
    }

    [Fact]
    public async Task The_baseline_is_made_where_nobody_leases()
    {
        await using AgentMachine machine = new("A100-SXM4-40GB*2");
        using (LeaseManager manager = await machine.Leases.OpenAsync())
        {
            Claim claim = LeaseMachine.Want("train", "3g.20gb") with { Gpus = [machine.Leases.Session.Devices[0].Uuid] };
            await manager.ClaimAsync(claim, LeaseHold.UntilReleased);
        }

        string file = machine.File("layouts.yaml");
        await File.WriteAllTextAsync(file, """
            nvmig: v1
            layouts:
              halves:
              - gpus: all
                layout: 3g.20gb*2
            """);

        await machine.StartAgentAsync(options => options.Baseline.File = file);

        machine.Leases.Describe().Should().Equal("0: 3g.20gb at 4:4", "1: 3g.20gb at 0:4", "1: 3g.20gb at 4:4");
        (await machine.GetAsync("/v1/leases")).At("leases", 0, "id").Should().Be("train");
    }

    [Fact]
    public async Task The_agent_is_live_and_ready()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        Answer live = await machine.GetAsync("/health/live");
        Answer ready = await machine.GetAsync("/health/ready");

        (live.Code, ready.Code).Should().Be((200, 200));
        ready.At("checks", "leasing", "status").Should().Be("Healthy");
    }

    [Fact]
    public async Task Requests_that_wait_end_when_the_agent_stops()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", """{"requests":[{"profile":"7g.40gb"}]}""");
        Task<Answer> waits = machine.PostAsync("/v1/leases", """{"id":"a","requests":[{"profile":"1g.5gb"}],"waitSeconds":60}""");
        await Eventually.HoldsAsync(async () => (await machine.GetAsync("/v1/waiting/a")).Code.Should().Be(200));

        Task stop = machine.StopAsync();

        (await waits).Code.Should().Be((int)HttpStatusCode.Accepted);
        await stop.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task The_page_has_its_place()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        (await machine.GetAsync("/")).Text.Should().StartWith("<!DOCTYPE html>");
        (await machine.GetAsync("/page/other.html")).Code.Should().Be(404);
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
