using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.Top;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Tests.Tool;

/// <summary>nvmig where an agent is, was, or comes back.</summary>
public partial class AgentToolTests
{
    private const uint Nobody = 65534;

    [Fact]
    public async Task Run_waits_on_while_the_agent_is_started_again()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", """{"id":"first","requests":[{"profile":"7g.40gb"}]}""");
        using RunningProgram run = Start(
            machine, "run", "-p", "1g.5gb", "--wait", "--", "sh", "-c", "echo on $CUDA_VISIBLE_DEVICES; exit 7");
        await run.SaysAsync("waits as number 1");

        await machine.StopAgentAsync();
        await run.SaysAsync("The agent does not answer.");
        await machine.StartAgentAsync();
        await machine.SendAsync(HttpMethod.Delete, "/v1/leases/first");

        (await run.EndAsync()).Should().Be(7, run.Said);
        run.Said.Should().Contain("on MIG-").And.Contain("waits as number 1. There is no free place for 1g.5gb.");
        (await machine.GetAsync("/v1/overview")).Json["leases"]!.AsArray().Should().BeEmpty("the lease was the program's");
    }

    [Fact]
    public async Task An_interruption_withdraws_the_claim()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", """{"id":"first","requests":[{"profile":"7g.40gb"}]}""");
        using RunningProgram run = Start(machine, "lease", "acquire", "-p", "1g.5gb", "--wait");
        await run.SaysAsync("waits as number 1");

        await AgentMachine.RunAsync(["sh", "-c", $"kill -INT {run.Process.Id}"]);

        (await run.EndAsync()).Should().Be(130);
        run.Said.Should().Contain("nvmig: Interrupted.");
        (await machine.GetAsync("/v1/waiting")).Json["waiting"]!.AsArray().Should().BeEmpty();
    }

    [Fact]
    public async Task A_killed_tool_takes_its_claim_with_it()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", """{"id":"first","requests":[{"profile":"7g.40gb"}]}""");
        using RunningProgram acquire = Start(machine, "lease", "acquire", "-p", "1g.5gb", "--wait");
        await acquire.SaysAsync("waits as number 1");

        await AgentMachine.RunAsync(["sh", "-c", $"kill -KILL {acquire.Process.Id}"]);
        await acquire.EndAsync();
        await machine.SendAsync(HttpMethod.Delete, "/v1/leases/first");

        JsonNode overview = (await machine.GetAsync("/v1/overview")).Json;
        overview["waiting"]!.AsArray().Should().BeEmpty();
        overview["leases"]!.AsArray().Should().BeEmpty("nobody waits for it any more");
    }

    [Fact]
    public async Task A_socket_that_was_left_behind_is_passed_by()
    {
        await using AgentMachine machine = new();
        using (Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            left.Bind(new UnixDomainSocketEndPoint(machine.Socket));
            File.Move(machine.Socket, machine.File("moved")); // Closing it would delete it.
        }

        File.Move(machine.File("moved"), machine.Socket);

        (int exit, string output, string error) = await machine.AskAgentAsync("lease", "list");

        (exit, error).Should().Be((0, ""));
        output.Should().Be("No leases.\n");
    }

    [Fact]
    public async Task Top_shows_the_leases_of_the_agent()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        Answer lease = await machine.PostAsync("/v1/leases", """{"id":"train","requests":[{"profile":"1g.5gb"}]}""");
        NvmlSession session = machine.Leases.Session;
        using TopReader top = new(session, session.Devices, "/nowhere", agent: new AgentLeases(new AgentConnection(machine.Socket)));

        TopReading reading = top.Read();
        await machine.StopAgentAsync();
        TopReading after = top.Read();

        reading.Leases[lease.At("lease", "instances", 0, "migUuid")!].Id.Should().Be("train");
        reading.Notice.Should().BeNull();
        after.Notice.Should().StartWith("Leases are not shown: The agent on ");
    }

    [RootFact]
    public async Task Another_user_has_what_is_his_and_no_more()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", """{"id":"roots","requests":[{"profile":"1g.5gb"}]}""");
        using AgentLeases leases = new(new AgentConnection(machine.Socket, _ => new ValueTask<Stream>(ConnectAs(Nobody, machine.Socket))));
        ClaimRequest claim = new() { Id = "own", Requests = [new() { Profile = "1g.5gb" }] };

        LeaseEntry own = await leases.ClaimAsync(claim, TimeSpan.Zero, _ => { }, default);

        own.Uid.Should().Be(Nobody);
        await RefusedAsync(() => leases.ReleaseAsync("roots", null, default), "uid 65534 may not release lease roots: it is of uid 0.");
        await RefusedAsync(() => leases.RenewAsync("roots", new(), default), "uid 65534 may not renew lease roots: it is of uid 0.");
        await RefusedAsync(
            () => leases.ClaimAsync(claim with { Id = "for", Uid = 0 }, TimeSpan.Zero, _ => { }, default),
            "uid 65534 may not claim for others: *");
        await RefusedAsync(
            () => leases.ClaimAsync(claim with { Id = "pid", ProcessId = Environment.ProcessId }, TimeSpan.Zero, _ => { }, default),
            $"process {Environment.ProcessId} is not a process of uid 65534.");
        await RefusedAsync(() => leases.DeleteQueueAsync("default", default), "uid 65534 may not change queues: *");
        await leases.ReleaseAsync("own", null, default);
        (await leases.ReadAsync(usage: true, default)).Leases.Should().ContainSingle("all see all").Which.Instances[0].Processes
            .Should().NotBeNull();
    }

    [ToolForAllFact]
    public async Task A_user_runs_a_program_where_the_agent_is()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        string[] run = ["setpriv", $"--reuid={Nobody}", $"--regid={Nobody}", "--clear-groups", AgentMachine.Tool, "run", "-p", "1g.5gb"];
        string[] program = ["--", "sh", "-c", "id -u; echo $CUDA_VISIBLE_DEVICES"];
        File.SetUnixFileMode(machine.StateFile, (UnixFileMode)0b110_110_110); // As the driver's device files are.

        (int exit, string output, string error) = await AgentMachine.RunAsync([.. run, .. program], machine.ToolEnvironment);
        await machine.StopAgentAsync();
        (int alone, _, string why) = await AgentMachine.RunAsync([.. run, .. program], machine.ToolEnvironment);

        exit.Should().Be(0, error);
        output.Should().MatchRegex("^65534\nMIG-[0-9a-f-]{36}\n$");
        alone.Should().Be(125);
        why.Should().Be(
            $"nvmig: Leases need root or the agent, and no agent answers on {machine.Socket}. Use sudo, or have nvmig-agent started.\n");
    }

    private static async Task RefusedAsync(Func<Task> act, string message)
    {
        LeaseException refused = (await act.Should().ThrowAsync<LeaseException>()).WithMessage(message).Which;
        ExitCodes.For(refused).Should().Be(4);
    }

    private static RunningProgram Start(AgentMachine machine, params string[] arguments)
    {
        ProcessStartInfo start = new(AgentMachine.Tool, arguments);
        foreach ((string name, string value) in machine.ToolEnvironment)
            start.Environment[name] = value;
        return new RunningProgram(start);
    }

    /// <summary>The kernel notes who a thread is when it connects. The library's setresuid would change all threads.</summary>
    internal static NetworkStream ConnectAs(uint uid, string path)
    {
        const long setresuid = 117;
        NetworkStream? stream = null;
        Thread thread = new(() =>
        {
            SystemCall(setresuid, -1, uid, -1).Should().Be(0);
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            SystemCall(setresuid, -1, 0, -1).Should().Be(0);
            stream = new NetworkStream(socket, ownsSocket: true);
        });
        thread.Start();
        thread.Join();
        return stream!;
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial long SystemCall(long number, long real, long effective, long saved);
}

/// <summary>A test in which another user runs the tool, which he must be able to reach.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ToolForAllFactAttribute : FactAttribute
{
    public ToolForAllFactAttribute()
    {
        if (Environment.UserName != "root")
            Skip = "It runs programs as other users, which root can do.";
        else if (!CanOthersRunIt())
            Skip = $"Other users cannot run {AgentMachine.Tool}.";
    }

    private static bool CanOthersRunIt()
    {
        using Process test = Process.Start("setpriv", ["--reuid=65534", "--clear-groups", "test", "-x", AgentMachine.Tool]);
        test.WaitForExit();
        return test.ExitCode == 0;
    }
}
