using System.Diagnostics;
using System.IO.Pipes;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing.Tests.Mps;

/// <summary>Daemons that run, one for a device; programs, and what they get.</summary>
public sealed class MpsSupervisorTests : IDisposable
{
    private static readonly MpsCaps Half = new(50, 4000);

    /// <summary>The user of these tests: root, or whoever runs them.</summary>
    private static readonly uint Me = MpsHost.User;

    private readonly MpsMachine _machine = new();

    private string Device => _machine.Device;

    public void Dispose() => _machine.Dispose();

    [Fact]
    public async Task A_program_gets_its_caps()
    {
        MpsState state = await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        await _machine.Supervisor.CheckAsync(Device, Me);
        MpsProgram program = _machine.Run(9000, new MpsCaps(25, 2048));

        state.Condition.Should().Be(MpsCondition.Running);
        program.Multiprocessors.Should().Be(32, "of 132 in pairs");
        program.GotMiB.Should().Be(1856, "2048 MiB less the context");
        (await _machine.Supervisor.ReadAsync(Device)).Clients.Should().ContainSingle().Which.ProcessId.Should().Be(program.Id);
    }

    [Fact]
    public async Task No_environment_lifts_the_caps()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram program = _machine.Run(9000, new MpsCaps(100, 16000));

        program.Multiprocessors.Should().Be(66);
        program.GotMiB.Should().Be(3712);
    }

    [Fact]
    public async Task The_daemon_is_adopted_after_a_restart()
    {
        MpsState first = await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram program = _machine.Run(1000);
        _ = program.Server;
        MpsState second = await _machine.Supervisor.EnsureAsync(Device, Me, Half);

        second.Daemon.Should().Be(first.Daemon);
        second.Clients.Should().ContainSingle();
        _machine.Supervisor.Devices.Should().Equal(Device);
    }

    [Fact]
    public async Task Higher_caps_hold_for_programs_to_come()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram before = _machine.Run(9000);
        before.Multiprocessors.Should().Be(66);
        await _machine.Supervisor.EnsureAsync(Device, Me, new MpsCaps(75, 6000));
        MpsProgram after = _machine.Run(9000);

        after.Multiprocessors.Should().Be(98);
        after.GotMiB.Should().Be(5568);
        after.Server.Should().Be(before.Server);
        await _machine.Supervisor.CheckAsync(Device, Me);
    }

    [Fact]
    public async Task A_setting_that_is_not_taken_is_an_error()
    {
        _machine.UseScript(
            $"[ \"$1\" = -d ] && exec {MpsMachine.Control} -d\ngrep -v set_default_device | exec {MpsMachine.Control}\n");

        (await Refused(() => _machine.Supervisor.EnsureAsync(Device, Me, Half))).Message.Should().Be(
            $"MPS was told to allow 50.0% of the multiprocessors and 4000 MiB on {Device}, "
                + "but for new servers the limit of memory reads no limit, not 3G.");
        (await Refused(() => _machine.Supervisor.CheckAsync(Device, Me))).Problem.Should().Be(MpsProblem.NotSet);
    }

    [Fact]
    public async Task A_server_that_dies_when_asked_keeps_nobody_out()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram program = _machine.Run(1000);
        program.Server.Should().BePositive();
        _machine.UseScript($$"""
            asked=$(cat)
            case $asked in
                'get_active_thread_percentage '*) set -- $asked; kill -9 $2 2>/dev/null; exit 0;;
            esac
            echo "$asked" | exec {{MpsMachine.Control}}

            """);

        await _machine.Supervisor.CheckAsync(Device, Me);

        program.WaitForError().Should().Be(806, "the server is dead");
        program.WaitForEnd();
    }

    [Fact]
    public async Task A_setting_that_somebody_changed_keeps_programs_out()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        _machine.Say("set_default_device_pinned_mem_limit 0 nonsense").Should().Be((0, ""), "it takes the limit away");
        (await Refused(() => _machine.Supervisor.CheckAsync(Device, Me))).Problem.Should().Be(MpsProblem.NotSet);

        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        await _machine.Supervisor.CheckAsync(Device, Me);
    }

    [Fact]
    public async Task A_dead_daemon_is_reported()
    {
        MpsState state = await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram program = _machine.Run(1000);
        _ = program.Server;
        await MpsMachine.KillAsync(state.Daemon!.Value);

        program.WaitForError().Should().Be(806);
        (await _machine.Supervisor.ReadAsync(Device)).Condition.Should().Be(MpsCondition.Dead);
        (await Refused(() => _machine.Supervisor.CheckAsync(Device, Me))).Problem.Should().Be(MpsProblem.Dead);
        MpsProgram sneaked = _machine.Run(9000);
        sneaked.Server.Should().Be(0, "that is why it must be kept out");
        sneaked.Multiprocessors.Should().Be(132);
    }

    [Fact]
    public async Task A_dead_daemon_is_replaced_when_asked()
    {
        MpsState first = await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        await MpsMachine.KillAsync(first.Daemon!.Value);

        (await Refused(() => _machine.Supervisor.EnsureAsync(Device, Me, Half))).Problem.Should().Be(MpsProblem.Dead);
        MpsState second = await _machine.Supervisor.EnsureAsync(Device, Me, Half, restart: true);
        second.Daemon.Should().NotBe(first.Daemon);
        _machine.Run(9000).Multiprocessors.Should().Be(66);
    }

    [Fact]
    public async Task Another_daemon_in_our_folder_is_foreign()
    {
        MpsState state = await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        await MpsMachine.KillAsync(state.Daemon!.Value);
        _machine.StartForeign(_machine.Pipe);

        (await _machine.Supervisor.ReadAsync(Device)).Condition.Should().Be(MpsCondition.Foreign);
        (await Refused(() => _machine.Supervisor.CheckAsync(Device, Me))).Problem.Should().Be(MpsProblem.Foreign);
        (await Refused(() => _machine.Supervisor.EnsureAsync(Device, Me, Half, restart: true))).Problem.Should().Be(MpsProblem.Foreign);
        (await Refused(() => _machine.Supervisor.StopAsync(Device))).Problem.Should().Be(MpsProblem.Foreign);
    }

    [Fact]
    public async Task A_daemon_elsewhere_does_not_disturb()
    {
        string elsewhere = Path.Combine(Path.GetDirectoryName(_machine.Root)!, "p");
        _machine.StartForeign(elsewhere);
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);

        _machine.Supervisor.FindOthers().Should().Contain(MpsHost.FindDaemonsIn(elsewhere));
        _machine.Run(9000).Multiprocessors.Should().Be(66);
    }

    [Fact]
    public async Task The_fault_of_one_is_everybodys()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram neighbour = _machine.Run(1000), faulty = _machine.Run(1000);
        _ = (neighbour.Server, faulty.Server);
        faulty.Fault();

        neighbour.WaitForError().Should().Be(700);
        faulty.WaitForError().Should().Be(700);
        await _machine.Supervisor.CheckAsync(Device, Me);
        _machine.Run(1000).Multiprocessors.Should().Be(66);
    }

    [Fact]
    public async Task A_server_in_fault_is_replaced_when_empty()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram stays = _machine.Run(1000, options: "-s");
        int? server = stays.Server;
        stays.Break();
        stays.WaitForError().Should().Be(719);

        (await _machine.Supervisor.ReadAsync(Device)).Condition.Should().Be(MpsCondition.Faulty);
        (await Refused(() => _machine.Supervisor.CheckAsync(Device, Me))).Problem.Should().Be(MpsProblem.Faulty);
        (await _machine.Supervisor.ReplaceFaultyServerAsync(Device)).Should().BeFalse("it has a client");
        stays.End();
        (await _machine.Supervisor.ReplaceFaultyServerAsync(Device)).Should().BeTrue();
        await _machine.Supervisor.CheckAsync(Device, Me);
        MpsProgram next = _machine.Run(1000);
        next.Server.Should().NotBe(server);
        next.Multiprocessors.Should().Be(66);
    }

    [Fact]
    public async Task A_server_that_is_killed_comes_again_with_caps()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram first = _machine.Run(1000);
        await MpsMachine.KillAsync(HostProcess.Find(first.Server!.Value)!.Value);
        first.WaitForError().Should().Be(806);

        await _machine.Supervisor.CheckAsync(Device, Me);
        _machine.Run(9000).GotMiB.Should().Be(3712);
    }

    [Fact]
    public async Task A_daemon_that_hangs_is_an_error()
    {
        MpsState state = await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        using (Process stop = Process.Start("kill", ["-STOP", $"{state.Daemon!.Value.Id}"]))
            stop.WaitForExit();
        _machine.Options = _machine.Options with { Timeout = TimeSpan.FromMilliseconds(300) };

        (await Refused(() => _machine.Supervisor.CheckAsync(Device, Me))).Message.Should().StartWith(
            "'get_default_active_thread_percentage; get_default_device_pinned_mem_limit 0; get_server_list' to nvidia-cuda-mps-control "
                + "got no answer within 0.3 s");
        (await Refused(() => _machine.Supervisor.StopAsync(Device))).Problem.Should().Be(MpsProblem.Silent);
        await _machine.Supervisor.StopAsync(Device, force: true);
        _machine.Processes.Should().BeEmpty();
    }

    [Fact]
    public async Task Nothing_is_left_when_it_stops()
    {
        MpsState state = await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram program = _machine.Run(1000);
        _ = program.Server;
        (await Refused(() => _machine.Supervisor.StopAsync(Device))).Message.Should().Be(
            $"The MPS daemon of {Device} has clients: process {program.Id}.");
        program.End();
        await _machine.Supervisor.StopAsync(Device);

        state.Daemon!.Value.IsRunning.Should().BeFalse();
        _machine.Processes.Should().BeEmpty();
        Directory.Exists(Path.Combine(_machine.Root, Device)).Should().BeFalse();
        (await _machine.Supervisor.ReadAsync(Device)).Condition.Should().Be(MpsCondition.Absent);
        (await Refused(() => _machine.Supervisor.CheckAsync(Device, Me))).Problem.Should().Be(MpsProblem.Absent);
    }

    [Fact]
    public async Task A_link_in_the_pipe_directory_is_not_followed()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        string precious = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(_machine.Root)!, "precious")).FullName;
        File.WriteAllText(Path.Combine(precious, "file"), "");
        Directory.CreateDirectory(Path.Combine(_machine.Pipe, "folder", "inner"));
        File.CreateSymbolicLink(Path.Combine(_machine.Pipe, "link"), precious);
        File.CreateSymbolicLink(Path.Combine(_machine.Pipe, "folder", "link"), precious);
        await _machine.Supervisor.StopAsync(Device);

        Directory.Exists(Path.Combine(_machine.Root, Device)).Should().BeFalse();
        File.Exists(Path.Combine(precious, "file")).Should().BeTrue();
    }

    [Fact]
    public async Task Clients_are_ended_when_told()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);
        MpsProgram program = _machine.Run(1000);
        _ = program.Server;
        await _machine.Supervisor.StopAsync(Device, force: true);

        program.WaitForError().Should().Be(806);
        _machine.Processes.Should().BeEmpty();
    }

    [Fact]
    public async Task A_device_is_one_users()
    {
        await _machine.Supervisor.EnsureAsync(Device, Me, Half);

        (await Refused(() => _machine.Supervisor.EnsureAsync(Device, Me + 1, Half))).Problem.Should().Be(MpsProblem.InUse);
        (await Refused(() => _machine.Supervisor.CheckAsync(Device, Me + 1))).Problem.Should().Be(MpsProblem.InUse);
    }

    [Fact]
    public async Task Another_users_program_is_let_in()
    {
        if (MpsHost.User != 0)
            return; // only root gives folders away
        await _machine.Supervisor.EnsureAsync(Device, 1000, Half);
        await _machine.Supervisor.CheckAsync(Device, 1000);
        MpsProgram program = _machine.Run(9000, options: ["-u", "1000"]);
        MpsProgram stranger = _machine.Run(100, options: ["-u", "1001"]);

        program.Multiprocessors.Should().Be(66);
        stranger.Server.Should().Be(0, "it may not enter the pipe directory");
        File.GetUnixFileMode(_machine.Pipe).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Fact]
    public async Task A_user_who_cannot_come_there_is_kept_out()
    {
        if (MpsHost.User != 0)
            return;
        string folder = Path.GetDirectoryName(_machine.Root)!;
        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        (await Refused(() => _machine.Supervisor.EnsureAsync(Device, 1000, Half))).Message.Should().StartWith(
            $"User 1000 may not pass {folder}, so that programs would run without MPS.");
        (await Refused(() => _machine.Supervisor.CheckAsync(Device, 1000))).Problem.Should().Be(MpsProblem.NotStarted);
    }

    [Fact]
    public async Task Without_the_program_there_is_one_sentence()
    {
        _machine.Options = _machine.Options with { Program = "/nowhere/nvidia-cuda-mps-control" };

        (await Refused(() => _machine.Supervisor.EnsureAsync(Device, Me, Half))).Message.Should().Be(
            "There is no program /nowhere/nvidia-cuda-mps-control, or it may not be executed.");
    }

    [Fact]
    public async Task A_daemon_that_does_not_start_leaves_nothing()
    {
        _machine.UseScript("exit 100\n");

        (await Refused(() => _machine.Supervisor.EnsureAsync(Device, Me, Half))).Message.Should().Be(
            $"The MPS daemon of {Device} did not start: 'nvidia-cuda-mps-control -d' ended with exit code 100 (it said nothing).");
        _machine.Supervisor.Devices.Should().BeEmpty();
    }

    [Fact]
    public async Task The_daemon_inherits_no_files()
    {
        using AnonymousPipeServerStream inherited = new(PipeDirection.Out, HandleInheritability.Inheritable);
        string file = new FileInfo($"/proc/self/fd/{inherited.GetClientHandleAsString()}").LinkTarget!;
        MpsState state = await _machine.Supervisor.EnsureAsync(Device, Me, Half);

        Directory.EnumerateFiles($"/proc/{state.Daemon!.Value.Id}/fd").Select(fd => new FileInfo(fd).LinkTarget)
            .Should().NotContain(file);
    }

    private static async Task<MpsException> Refused(Func<Task> act) =>
        (await FluentActions.Awaiting(act).Should().ThrowAsync<MpsException>()).Which;
}
