using System.Diagnostics;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing.Tests.Mps;

/// <summary>The stand-in for MPS, as MPS was measured on H200 and H100: its lies included.</summary>
public sealed class MpsStandInTests : IDisposable
{
    private readonly MpsMachine _machine = new();

    private string Device => _machine.Device;

    public MpsStandInTests()
    {
        Directory.CreateDirectory(Path.Combine(_machine.Root, Device));
        _machine.StartForeign(_machine.Pipe);
    }

    public void Dispose() => _machine.Dispose();

    [Theory]
    [InlineData("nonsense", "Unknown command \"nonsense\"\n")]
    [InlineData("lspart", "Unknown command \"lspart\"\n")]
    [InlineData("get_server_list", "")]
    [InlineData("ps", "Server not found\n")]
    [InlineData("get_server_status 99", "Server 99 not found\n")]
    [InlineData("set_default_active_thread_percentage 33.3", "33.3\n")]
    [InlineData("set_default_active_thread_percentage 130", "100.0\n")]
    [InlineData("set_default_device_pinned_mem_limit 7 1G", "")]
    [InlineData("get_default_device_pinned_mem_limit 0", "")]
    public void Every_command_ends_with_exit_code_0(string command, string output) => _machine.Say(command).Should().Be((0, output));

    [Fact]
    public void Without_a_daemon_there_is_an_exit_code() =>
        _machine.Say("ps", pipe: "/nowhere").Should().Be((1, "Cannot find MPS control daemon process\n"));

    [Fact]
    public void Limits_read_rounded_and_apart_by_name()
    {
        _machine.Say("set_default_device_pinned_mem_limit 0 2500M").Should().Be((0, ""));
        _machine.Say("get_default_device_pinned_mem_limit 0").Should().Be((0, "2G\n"));
        _machine.Say($"get_default_device_pinned_mem_limit {Device}").Should().Be((0, ""));
        MpsProgram program = _machine.Run(9000);

        program.FreeMiB.Should().Be(1986, "2500 MiB less its context");
        program.GotMiB.Should().Be(1984);
    }

    [Theory]
    [InlineData(10, 12)]
    [InlineData(25, 32)]
    [InlineData(30, 38)]
    [InlineData(33.3, 42)]
    [InlineData(50, 66)]
    [InlineData(75, 98)]
    public void A_percentage_gives_pairs_of_multiprocessors(double percentage, int multiprocessors) =>
        _machine.Run(64, new MpsCaps((decimal)percentage, 8000)).Multiprocessors.Should().Be(multiprocessors);

    [Fact]
    public void A_limit_includes_the_context()
    {
        MpsProgram program = _machine.Run(9000, new MpsCaps(100, 2048));

        program.FreeMiB.Should().Be(1534);
        program.GotMiB.Should().Be(1472);
    }

    [Fact]
    public void Limits_are_no_reservations()
    {
        MpsProgram first = _machine.Run(12000);
        first.GotMiB.Should().Be(12032);
        _machine.Run(12000).GotMiB.Should().Be(3200, "of 16384 MiB there is no more, with the server and two contexts");
    }

    [Fact]
    public void Defaults_hold_for_servers_to_come()
    {
        MpsProgram first = _machine.Run(100);
        int server = first.Server!.Value;
        _machine.Say("set_default_device_pinned_mem_limit 0 1G");
        _machine.Run(9000).GotMiB.Should().Be(9024, "the server that runs has no limit");
        _machine.Say($"set_active_thread_percentage {server} 30").Should().Be((0, "30.0\n"));

        _machine.Run(64).Multiprocessors.Should().Be(38);
        first.Multiprocessors.Should().Be(132);
    }

    [Fact]
    public void A_terminated_client_harms_nobody()
    {
        MpsProgram one = _machine.Run(100), other = _machine.Run(100);
        _ = other.Server;
        _machine.Say($"terminate_client {one.Server} {one.Id}").Should().Be((0, "0\n"));
        _machine.Say($"terminate_client {one.Server} 1").Should().Be((0, "201\n"));

        one.WaitForError().Should().Be(810);
        _machine.Say($"get_client_list {one.Server}").Should().Be((0, $"{other.Id}\n"));
        _machine.Say($"get_server_status {one.Server}").Should().Be((0, "ACTIVE\n"));
    }

    [Fact]
    public async Task Quitting_waits_for_clients_and_takes_no_others()
    {
        MpsProgram program = _machine.Run(100);
        _ = program.Server;
        Task<(int ExitCode, string Output)> quit = Task.Run(() => _machine.Say("quit"));
        SpinWait.SpinUntil(() => _machine.Say("ps").ExitCode == 1);

        _machine.Say("ps").Should().Be((1, "Cannot send command to MPS control daemon process\n"));
        _machine.Run(100).StartError.Should().Be(805);
        quit.IsCompleted.Should().BeFalse();
        program.End();
        (await quit.WaitAsync(TimeSpan.FromSeconds(10))).Should().Be((0, ""));
        Directory.GetFiles(_machine.Pipe).Select(Path.GetFileName).Should().Contain("control_lock")
            .And.NotContain("nvidia-cuda-mps-control.pid");
        _machine.Run(100).Server.Should().Be(0);
    }

    [Fact]
    public async Task Another_user_waits_for_the_server_to_be_empty()
    {
        if (MpsHost.User != 0)
            return; // only root can become somebody else
        MpsProgram root = _machine.Run(100);
        int? server = root.Server;
        MpsProgram other = _machine.Run(100, options: ["-u", "1000"]);
        Task<int?> starts = Task.Run(() => other.Server);

        await Task.Delay(100);
        starts.IsCompleted.Should().BeFalse();
        root.End();
        (await starts.WaitAsync(TimeSpan.FromSeconds(10))).Should().NotBe(server).And.NotBe(0);
    }

    [Fact]
    public void The_daemon_is_a_session_of_its_own()
    {
        HostProcess daemon = MpsHost.FindDaemonsIn(_machine.Pipe).Should().ContainSingle().Subject;
        MpsProgram program = _machine.Run(100);

        MpsHost.ParentOf(program.Server!.Value).Should().Be(daemon.Id);
        MpsHost.FindServersOf(daemon.Id).Should().ContainSingle().Which.Id.Should().Be(program.Server);
        using Process second = _machine.StartDaemon(_machine.Pipe);
        second.StandardOutput.ReadToEnd().Should().Be("An instance of this daemon is already running\n");
        second.WaitForExit();
        second.ExitCode.Should().Be(1);
    }
}
