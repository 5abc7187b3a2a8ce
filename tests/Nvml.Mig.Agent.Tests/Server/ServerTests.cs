using System.Net;
using System.Net.Sockets;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Nvml.Mig.Applying;
using Nvml.Mig.Hosting;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Tests.Leases;
using Nvml.Mig.Simulator;
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

        string file = await WriteBaselineAsync(machine);
        Action second = () => machine.Build(options => options.Baseline.File = file);

        second.Should().Throw<IOException>().WithMessage($"Another agent has {machine.Socket}*");
        (await machine.GetAsync("/v1/leases")).Code.Should().Be(200);
        machine.Leases.Describe().Should().BeEmpty("the second changes nothing");
        File.GetUnixFileMode(machine.Socket + ".lock").Should().Be(
            UnixFileMode.UserRead | UnixFileMode.UserWrite, "who can open it could keep the agent from starting");
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

        string file = await WriteBaselineAsync(machine);

        await machine.StartAgentAsync(options => options.Baseline.File = file);

        machine.Leases.Describe().Should().Equal("0: 3g.20gb at 4:4", "1: 3g.20gb at 0:4", "1: 3g.20gb at 4:4");
        (await machine.GetAsync("/v1/leases")).At("leases", 0, "id").Should().Be("train");
    }

    [Fact]
    public async Task A_lost_gpu_keeps_no_other_from_its_baseline()
    {
        await using AgentMachine machine = new("A100-SXM4-40GB*2");
        string file = await WriteBaselineAsync(machine);
        machine.Leases.Simulator.SetFaults(NvmlFault.Return("*", NvmlReturnCode.GpuIsLost) with { Gpu = 0 });

        await machine.StartAgentAsync(options => options.Baseline.File = file);

        await Eventually.HoldsAsync(async () =>
            (await machine.GetAsync("/health/ready")).Code.Should().Be(200, "it knows that it is lost"));
        machine.Leases.Session.Devices[1].GetGpuInstances().Should().HaveCount(2);
    }

    [Fact]
    public async Task Reads_go_on_while_somebody_else_changes_gpus()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync(configure: options =>
        {
            options.Leasing.LockTimeout = TimeSpan.FromSeconds(1);
            options.Limits.Patience = TimeSpan.FromSeconds(2);
        });
        await machine.PostAsync("/v1/leases", """{"id":"train","requests":[{"profile":"1g.5gb"}],"durationSeconds":600}""");
        const string all = """{"id":"all","requests":[{"profile":"7g.40gb"}],"durationSeconds":600,"waitSeconds":0.3}""";
        await machine.PostAsync("/v1/leases", all);
        using (ChangeLock taken = await ChangeLock.TakeAsync(machine.Leases.JournalFolder, TimeSpan.FromSeconds(10)))
        {
            Task<Answer> renewed = machine.PostAsync("/v1/leases/train/renew", "{}");
            Task<Answer> claimed = machine.PostAsync("/v1/leases", """{"id":"new","requests":[{"profile":"1g.5gb"}]}""");
            while (!renewed.IsCompleted || !claimed.IsCompleted)
                (await machine.GetAsync("/v1/leases").WaitAsync(TimeSpan.FromSeconds(5))).Code.Should().Be(200);
            (await renewed).At("code").Should().Be("Locked");
            (await claimed).At("code").Should().Be("Locked");
            for (int i = 0; i < 8; i++)
                (await machine.PostAsync("/v1/leases", all)).Code.Should().Be(202, "who asks again waits on, for longer than the patience");
        }

        await machine.SendAsync(HttpMethod.Delete, "/v1/leases/train");
        await Eventually.HoldsAsync(async () => (await machine.PostAsync("/v1/leases", all)).Code.Should().Be(200));
        (await machine.GetAsync("/v1/leases")).Text.Should().NotContain("\"new\"");
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

    private static async Task<string> WriteBaselineAsync(AgentMachine machine)
    {
        string file = machine.File("layouts.yaml");
        await File.WriteAllTextAsync(file, """
            nvmig: v1
            layouts:
              halves:
              - gpus: all
                layout: 3g.20gb*2
            """);
        return file;
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
