using Nvml.Mig.Applying;
using Nvml.Mig.Host;
using Nvml.Mig.Tests.Cli;
using Nvml.Mig.Tests.Host;

namespace Nvml.Mig.Tests.Applying;

/// <summary>An apply stops the services that hold GPUs only where something needs it, and exactly those that ran run again.</summary>
[Collection(FakeSystemd.Collection)]
public class QuiesceTests
{
    private const string A100 = "A100-SXM4-40GB";
    private const string Exporter = "dcgm-exporter.service";
    private const string Dcgm = "nvidia-dcgm.service";

    [Fact]
    public void Services_are_stopped_where_a_hidden_client_holds_a_gpu()
    {
        using FakeSystemd systemd = new(Exporter, Dcgm);
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "9", [], ""));
        IDisposable held = machine.Simulator.HoldGpu(0);

        ApplyResult result = machine.Apply("19", Options(machine, systemd, held));

        result.IsSuccess.Should().BeTrue();
        result.Services.Should().BeEquivalentTo(new ServiceReport { Stopped = [Exporter, Dcgm], Started = [Dcgm, Exporter] });
        systemd.Changes.Should().Equal($"stop {Exporter}", $"stop {Dcgm}", $"start {Dcgm}", $"start {Exporter}");
    }

    [Fact]
    public void Nothing_is_stopped_that_need_not_be()
    {
        using FakeSystemd systemd = new(Exporter, Dcgm);
        using ApplyMachine machine = ApplyMachine.Start(new Scenario("H200", "9", [], ""));
        using IDisposable held = machine.Simulator.HoldGpu(0);

        ApplyResult result = machine.Apply("9,19", Options(machine, systemd, held));

        (result.IsSuccess, result.Services).Should().Be((true, null));
        systemd.Calls.Should().BeEmpty();
    }

    [Fact]
    public void A_service_that_cannot_be_stopped_is_reported()
    {
        using FakeSystemd systemd = new(Exporter, Dcgm);
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
        string[] start = machine.Describe();
        using IDisposable held = machine.Simulator.HoldGpu(0);
        systemd.SetFault(3, "fail-before");

        ApplyResult result = machine.Apply("19", Options(machine, systemd, null));

        result.Gpus[0].Outcome.Should().Be(ApplyOutcome.RolledBack);
        result.Services!.Failures.Should().ContainSingle().Which.Message.Should().StartWith($"Cannot stop {Dcgm}: ");
        systemd.Running.Should().Equal(Exporter, Dcgm);
        machine.Describe().Should().Equal(start);
    }

    /// <summary>An apply that succeeds, and one that fails after the services were stopped.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Services_run_again_or_are_named_whatever_call_fails(bool applyFails)
    {
        for (int call = 1; call <= 7; call++)
        {
            foreach (string fault in (string[])["fail-before", "fail-after"])
            {
                using FakeSystemd systemd = new(Exporter, Dcgm);
                using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
                string[] start = machine.Describe();
                systemd.SetFault(call, fault);
                if (applyFails)
                    machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown));

                ApplyResult result = machine.Apply("19", Options(machine, systemd, machine.Simulator.HoldGpu(0)));

                string[] still = [.. result.Services!.StillStopped];
                systemd.Running.Union(still).Order().Should().Equal(Exporter, Dcgm);
                result.IsSuccess.Should().Be(result.Gpus[0].IsSuccess && still.Length == 0);
                machine.ShouldBeTrue(result, "19", start, $"{fault} of call {call}");
                systemd.ClearFaults();
                machine.Rollback(machine.Options with { Services = systemd.Services() }).Services?.StillStopped.Should().BeEmpty();
                systemd.Running.Should().Equal(Exporter, Dcgm);
            }
        }
    }

    [Fact]
    public async Task Services_that_a_dead_apply_stopped_run_again()
    {
        using FakeSystemd systemd = new(Exporter, Dcgm);
        using ApplyMachine machine = ApplyMachine.Start(A100);
        await systemd.Services().StopAsync();

        machine.Apply("9", machine.Options with { DryRun = true, Services = systemd.Services() }).Services.Should().BeNull();
        systemd.Running.Should().BeEmpty("a dry run does nothing");
        ApplyResult refused = machine.Apply("4g.20gb*2", machine.Options with { Services = systemd.Services() });

        refused.IsSuccess.Should().BeFalse();
        refused.Services!.Started.Should().Equal(Dcgm, Exporter);
        systemd.Running.Should().Equal(Exporter, Dcgm);
    }

    [Fact]
    public void Nvmig_tells_what_it_stopped_and_started_and_runs_the_hooks()
    {
        using FakeSystemd systemd = new(Exporter, Dcgm);
        using Nvmig nvmig = new();
        nvmig.PassForReal();
        using NvmlSimulator simulator = Divided(nvmig);
        using IDisposable held = simulator.HoldGpu(0);
        string log = Path.Combine(nvmig.Folder, "hooks");
        string[] quiesce = [
            "--quiesce",
            "--services",
            Dcgm,
            "--before-stop",
            $"echo before >> {log}",
            "--after-start",
            $"echo after >> {log}",
            "--record-folder",
            Path.Combine(nvmig.Folder, "records")];

        Nvmig.Answer answer = nvmig.RunBare(["apply", "19", "--json", .. quiesce]);

        answer.ExitCode.Should().Be(19, answer.Error);
        answer.Json.GetProperty("services").GetProperty("stopped").EnumerateArray().Select(s => s.GetString()).Should().Equal(Dcgm);
        answer.Json.GetProperty("services").GetProperty("started").EnumerateArray().Select(s => s.GetString()).Should().Equal(Dcgm);
        File.ReadAllLines(log).Should().Equal("before", "after");
        systemd.Running.Should().Equal(Exporter, Dcgm);
    }

    [Fact]
    public void A_death_between_stop_and_start_is_made_good_by_the_next_run()
    {
        foreach (string command in (string[])["apply", "rollback"])
        {
            using FakeSystemd systemd = new(Exporter, Dcgm);
            using Nvmig nvmig = new();
            nvmig.PassForReal();
            string[] records = ["--record-folder", Path.Combine(nvmig.Folder, "records")];
            using (NvmlSimulator simulator = Divided(nvmig))
            using (simulator.HoldGpu(0))
            {
                systemd.SetFault(3, "kill-after");
                nvmig.RunBare(["apply", "19", "--quiesce", .. records]).ExitCode.Should().Be(128 + 9);
            }

            systemd.Running.Should().BeEmpty();
            Nvmig.Answer answer = nvmig.RunBare(command == "apply" ? ["apply", "19", .. records] : ["rollback", .. records]);

            answer.ExitCode.Should().Be(0, answer.Error);
            answer.Out.Should().Contain($"Started again: {Dcgm}, {Exporter}.");
            systemd.Running.Should().Equal(Exporter, Dcgm);
        }
    }

    [Theory]
    [InlineData("--simulate", A100, "apply", "9", "--quiesce")]
    [InlineData("--simulate", A100, "apply", "9", "--services", "dcgm.service")]
    [InlineData("--simulate", A100, "rollback", "--after-start", "true")]
    public void Services_of_a_simulated_machine_are_none(params string[] arguments)
    {
        using Nvmig nvmig = new();

        nvmig.RunBare(arguments).ExitCode.Should().Be(64);
    }

    /// <summary>A hook stands in for what the services' end does: it lets the GPU go.</summary>
    private static ApplyOptions Options(ApplyMachine machine, FakeSystemd systemd, IDisposable? held)
    {
        GpuServices services = systemd.Services();
        return machine.Options with
        {
            Quiesce = true,
            Services = new GpuServices
            {
                Units = services.Units,
                JournalPath = services.JournalPath,
                BeforeStop = [new ServiceHook("let go", _ =>
                {
                    held?.Dispose();
                    return Task.CompletedTask;
                })],
            },
        };
    }

    private static NvmlSimulator Divided(Nvmig nvmig)
    {
        nvmig.RunBare("apply", "9", "--record-folder", Path.Combine(nvmig.Folder, "first")).ExitCode.Should().Be(0);
        return NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
    }
}
