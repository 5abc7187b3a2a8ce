using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

/// <summary>Services that hold GPUs are stopped, and exactly those that ran are started again, whatever fails.</summary>
[Collection(FakeSystemd.Collection)]
public class GpuServicesTests
{
    private const string Exporter = "dcgm-exporter.service";
    private const string Nvsm = "nvsm.service";
    private const string Dcgm = "nvidia-dcgm.service";
    private const string Persistence = "nvidia-persistenced.service";

    /// <summary>For three services: a question and three stops, a question and three starts.</summary>
    private const int Calls = 8;

    [Fact]
    public async Task What_runs_is_stopped_and_started_again_in_the_opposite_order()
    {
        using FakeSystemd systemd = new(Persistence, Dcgm, Exporter);
        GpuServices services = systemd.Services();

        ServiceReport stopped = await services.StopAsync();

        systemd.Running.Should().BeEmpty();
        stopped.Should()
            .BeEquivalentTo(new ServiceReport { Stopped = [Exporter, Dcgm, Persistence], StillStopped = [Exporter, Dcgm, Persistence] });
        File.ReadAllText(systemd.JournalPath).Should().Be($"nvmig stopped services v1\n{Exporter}\n{Dcgm}\n{Persistence}\n");
        File.GetUnixFileMode(systemd.JournalPath).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Directory.GetFiles(Path.GetDirectoryName(systemd.JournalPath)!).Should().ContainSingle();

        ServiceReport started = await services.StartAgainAsync();

        systemd.Running.Should().Equal(Exporter, Dcgm, Persistence);
        started.Should().BeEquivalentTo(new ServiceReport { Started = [Persistence, Dcgm, Exporter] });
        File.Exists(systemd.JournalPath).Should().BeFalse();
        systemd.Changes.Should().Equal(
            $"stop {Exporter}", $"stop {Dcgm}", $"stop {Persistence}", $"start {Persistence}", $"start {Dcgm}", $"start {Exporter}");
    }

    [Theory]
    [InlineData("active", true)]
    [InlineData("activating", true)]
    [InlineData("reloading", true)]
    [InlineData("inactive", false)]
    [InlineData("failed", false)]
    [InlineData("deactivating", false)]
    public async Task Only_what_runs_or_is_about_to_is_touched(string state, bool touched)
    {
        using FakeSystemd systemd = new();
        systemd.Set(Nvsm, state);
        GpuServices services = systemd.Services();

        (await services.StopAsync()).Stopped.Should().Equal(touched ? [Nvsm] : []);
        (await services.StartAgainAsync()).Started.Should().Equal(touched ? [Nvsm] : []);

        systemd.Changes.Should().Equal(touched ? [$"stop {Nvsm}", $"start {Nvsm}"] : []);
        File.Exists(systemd.JournalPath).Should().BeFalse();
    }

    [Fact]
    public async Task Without_a_stop_there_is_nothing_to_start()
    {
        using FakeSystemd systemd = new(Dcgm);
        GpuServices services = systemd.Services();

        (await services.StartAgainAsync()).Should().BeEquivalentTo(new ServiceReport());

        systemd.Calls.Should().BeEmpty();
    }

    [Fact]
    public async Task Who_asks_at_the_same_time_gets_the_same_answer()
    {
        using FakeSystemd systemd = new(Dcgm, Nvsm);
        GpuServices services = systemd.Services();

        ServiceReport[] reports = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => services.StopAsync())));

        reports.Distinct().Should().ContainSingle();
        systemd.Changes.Should().Equal($"stop {Nvsm}", $"stop {Dcgm}");
    }

    [Fact]
    public async Task What_systemd_stops_along_with_another_service_is_started_too()
    {
        using FakeSystemd systemd = new(Exporter, Dcgm, Persistence);
        systemd.SetDependency(Exporter, Persistence);
        systemd.SetFault(3, "fail-before");
        GpuServices services = systemd.Services();

        ServiceReport report = await services.StopAsync();

        report.Failures.Should().ContainSingle().Which.Subject.Should().Be(Dcgm);
        report.Started.Should().Equal(Persistence, Exporter);
        systemd.Running.Should().Equal(Exporter, Dcgm, Persistence);
    }

    [Fact]
    public async Task A_service_with_two_names_is_one()
    {
        using FakeSystemd systemd = new(Dcgm);
        systemd.SetAlias("dcgm.service", Dcgm);
        GpuServices services = systemd.Services();

        (await services.StopAsync()).Stopped.Should().Equal(Dcgm);
    }

    [Fact]
    public async Task A_known_service_is_found_in_a_unit_of_another_name()
    {
        using FakeSystemd systemd = new("monitoring.service", "slurmd.service", "job.service", "session-3.scope", Dcgm);
        systemd.SetMainProcess("monitoring.service", 812);
        systemd.SetMainProcess("slurmd.service", 700);
        systemd.SetMainProcess("job.service", 815);
        using FakeHost host = new();
        host.AddProcess(812, "nv-hostengine", cgroup: "0::/system.slice/monitoring.service\n", open: ["/dev/nvidia0"]);
        host.AddProcess(813, "nv-hostengine", cgroup: "0::/system.slice/slurmd.service\n", open: ["/dev/nvidia0"]); // started by a job
        host.AddProcess(814, "nv-hostengine", cgroup: "0::/user.slice/session-3.scope\n", open: ["/dev/nvidia0"]);
        host.AddProcess(815, "python3", cgroup: "0::/system.slice/job.service\n", open: ["/dev/nvidia0"]);
        GpuServices services = new() { JournalPath = systemd.JournalPath, Root = host.Root };

        (await services.StopAsync()).Stopped.Should().Equal("monitoring.service", Dcgm);

        systemd.Running.Should().Equal("job.service", "session-3.scope", "slurmd.service");
        GpuServices named = new() { Units = ["dcgm.service"], JournalPath = systemd.JournalPath, Root = host.Root };
        systemd.Set("monitoring.service", "active");
        (await named.StopAsync()).Stopped.Should().BeEmpty("who names units means these");
    }

    [Theory]
    [InlineData("fail-before")]
    [InlineData("fail-after")]
    public async Task Whatever_call_fails_what_ran_runs_again_or_is_named(string fault)
    {
        string[] before = [Exporter, Dcgm, Persistence];
        int failed = 0;
        for (int call = 1; call <= Calls + 1; call++)
        {
            using FakeSystemd systemd = new(before);
            systemd.SetFault(call, fault);
            GpuServices services = systemd.Services();

            ServiceReport stopped = await services.StopAsync();
            ServiceReport started = await services.StartAgainAsync();

            ServiceFailure[] failures = [.. stopped.Failures, .. started.Failures];
            failures.Should().HaveCount(call <= Calls ? 1 : 0, "one call failed");
            failed += failures.Length;
            foreach (ServiceFailure failure in failures)
                (failure.ExitCode, failure.Message.Contains("it is told to")).Should().Be((1, true));
            // The last report names what is not known to run, and it is recorded.
            before.Except(started.StillStopped).Should().BeSubsetOf(systemd.Running);
            File.Exists(systemd.JournalPath).Should().Be(started.StillStopped.Count > 0);
            systemd.Changes.Select(change => change.Split(' ')[1]).Should().BeSubsetOf(before, "nothing else is touched");
            // A service that was not stopped is not started.
            string[] stops = [
                .. systemd.Changes.Where(c => c.StartsWith("stop", StringComparison.Ordinal)).Select(c => c["stop ".Length..])];
            systemd.Changes.Where(c => c.StartsWith("start", StringComparison.Ordinal)).Select(c => c["start ".Length..])
                .Should().BeSubsetOf(stops);
            if (call is > 1 and <= 4)
            {
                stopped.Stopped.Should().Equal(before.Take(call - 2));
                stopped.Started.Should().Equal(before.Take(fault == "fail-after" ? call - 1 : call - 2).Reverse());
                systemd.Running.Should().Equal(before);
            }

            await services.StartAgainAsync();
            systemd.Running.Should().Equal(before);
            File.Exists(systemd.JournalPath).Should().BeFalse();
        }

        failed.Should().Be(Calls);
    }

    [Theory]
    [InlineData("kill-before", false)]
    [InlineData("kill-before", true)]
    [InlineData("kill-after", false)]
    [InlineData("kill-after", true)]
    public async Task Whenever_the_process_dies_the_next_one_starts_what_ran(string fault, bool stopsAgain)
    {
        string[] before = [Exporter, Dcgm, Persistence];
        for (int call = 1; call <= Calls + 1; call++)
        {
            using FakeSystemd systemd = new(before);
            systemd.SetFault(call, fault);

            ChildProcess.Run(nameof(FakeSystemd), systemd.JournalPath).Should().Be(call <= Calls ? 137 : 0);

            systemd.ClearFaults();
            File.Exists(systemd.JournalPath).Should().Be(call is > 1 and <= Calls);
            GpuServices services = systemd.Services();
            if (stopsAgain)
            {
                (await services.StopAsync()).Succeeded.Should().BeTrue();
                systemd.Running.Should().BeEmpty();
            }

            ServiceReport report = await services.StartAgainAsync();

            report.Succeeded.Should().BeTrue();
            systemd.Running.Should().Equal(before);
            systemd.Changes.Select(change => change.Split(' ')[1]).Should().BeSubsetOf(before);
            File.Exists(systemd.JournalPath).Should().BeFalse();
        }
    }

    [Fact]
    public async Task A_call_that_does_not_end_is_killed()
    {
        using FakeSystemd systemd = new(Dcgm);
        systemd.SetFault(2, "hang");
        GpuServices services = new() { Units = [Dcgm], JournalPath = systemd.JournalPath, Timeout = TimeSpan.FromSeconds(5) };

        ServiceReport report = await services.StopAsync();

        report.Failures.Should().Equal(new ServiceFailure(
            ServiceAction.Stop, Dcgm, null, $"Cannot stop {Dcgm}: 'systemctl stop -- {Dcgm}' did not end within 5 s, and was killed."));
        systemd.Running.Should().Equal(Dcgm);
    }

    [Fact]
    public async Task What_is_cancelled_is_undone()
    {
        using FakeSystemd systemd = new(Nvsm, Dcgm);
        systemd.SetFault(3, "hang");
        GpuServices services = systemd.Services();
        using CancellationTokenSource source = new();

        Task<ServiceReport> stop = services.StopAsync(source.Token);
        while (systemd.Calls.Length < 3)
            await Task.Delay(10);
        await source.CancelAsync();

        await FluentActions.Awaiting(() => stop).Should().ThrowAsync<OperationCanceledException>();
        systemd.Running.Should().Equal(Dcgm, Nvsm);
        File.Exists(systemd.JournalPath).Should().BeFalse();
    }

    [Fact]
    public async Task Hooks_go_around_it()
    {
        using FakeSystemd systemd = new(Dcgm);
        List<string> log = [];
        GpuServices services = new()
        {
            Units = [Dcgm],
            JournalPath = systemd.JournalPath,
            BeforeStop = [Log("cordon"), Log("drain")],
            AfterStart = [ServiceHook.Command("sh", ["-c", "echo one; echo two >&2; exit 3"]), Log("uncordon")],
        };

        await services.StopAsync();
        log.Should().Equal("cordon with nvidia-dcgm.service", "drain with nvidia-dcgm.service");
        ServiceReport report = await services.StartAgainAsync();

        log.Should().EndWith("uncordon with nvidia-dcgm.service");
        report.Failures.Should().Equal(new ServiceFailure(
            ServiceAction.AfterStart,
            "sh -c echo one; echo two >&2; exit 3",
            3,
            "The hook 'sh -c echo one; echo two >&2; exit 3' failed: 'sh -c echo one; echo two >&2; exit 3' ended with exit code 3: "
                + "two\none"));
        (await services.StartAgainAsync()).Should().BeEquivalentTo(new ServiceReport(), "it is done");

        ServiceHook Log(string name) => new(name, _ =>
        {
            log.Add($"{name} with {string.Join(' ', systemd.Running)}");
            return Task.CompletedTask;
        });
    }

    [Fact]
    public async Task A_hook_that_fails_keeps_everything_running()
    {
        using FakeSystemd systemd = new(Dcgm);
        bool after = false;
        GpuServices services = new()
        {
            Units = [Dcgm],
            JournalPath = systemd.JournalPath,
            BeforeStop = [new ServiceHook("drain", _ => throw new InvalidOperationException("There are jobs."))],
            AfterStart = [new ServiceHook("undrain", _ => Task.FromResult(after = true))],
        };

        ServiceReport report = await services.StopAsync();

        report.Failures.Should()
            .Equal(new ServiceFailure(ServiceAction.BeforeStop, "drain", null, "The hook 'drain' failed: There are jobs."));
        after.Should().BeTrue("what the hooks before did must be undone");
        systemd.Changes.Should().BeEmpty();
        File.Exists(systemd.JournalPath).Should().BeFalse();
    }

    [Fact]
    public async Task Without_systemctl_nothing_is_stopped_and_it_is_said()
    {
        using FakeSystemd systemd = new(Dcgm);
        systemd.TakeAway();
        string? path = Environment.GetEnvironmentVariable("PATH");
        using TemporaryFolder here = new();
        File.WriteAllText(here.File("systemctl"), "#!/bin/sh\nexit 0\n");
        try
        {
            // Not what lies in a folder that is not absolute, and not what cannot be run.
            Environment.SetEnvironmentVariable("PATH", $".::{here.Path}");
            GpuServices services = systemd.Services();

            ServiceReport report = await services.StopAsync();

            report.Failures.Should().ContainSingle().Which.Message.Should().EndWith("cannot be run: there is no systemctl on PATH.");
            File.Exists(systemd.JournalPath).Should().BeFalse();
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", path);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("something else\nnvidia-dcgm.service\n")]
    [InlineData("nvmig stopped services v1\n\n")]
    public async Task A_record_that_is_none_stops_everything_before_it_begins(string text)
    {
        using FakeSystemd systemd = new(Dcgm);
        Directory.CreateDirectory(Path.GetDirectoryName(systemd.JournalPath)!);
        await File.WriteAllTextAsync(systemd.JournalPath, text);
        GpuServices services = systemd.Services();

        await FluentActions.Awaiting(() => services.StopAsync())
            .Should().ThrowAsync<InvalidDataException>().WithMessage($"{systemd.JournalPath} is not a journal*");
        await FluentActions.Awaiting(() => services.StartAgainAsync()).Should().ThrowAsync<InvalidDataException>();

        systemd.Calls.Should().BeEmpty();
        (await File.ReadAllTextAsync(systemd.JournalPath)).Should().Be(text);
    }

    [Fact]
    public async Task A_journal_that_cannot_be_written_prevents_the_stop()
    {
        using FakeSystemd systemd = new(Dcgm);
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder.File("file"), "");
        GpuServices services = new() { Units = [Dcgm], JournalPath = folder.File("file/record") };

        await FluentActions.Awaiting(() => services.StopAsync()).Should().ThrowAsync<IOException>();

        systemd.Running.Should().Equal(Dcgm);
        systemd.Changes.Should().BeEmpty();
    }
}
