namespace Nvml.Mig.Agent.Tests.Server;

/// <summary>The unit for systemd, and the command line.</summary>
public class UnitTests
{
    [Fact]
    public async Task The_unit_starts_this_program_with_its_options()
    {
        (int exit, string unit, _) = await AgentMachine.RunAsync(
            [AgentProcess.Program, "--print-unit", "--config", "/etc/nvml-mig/agent.json"]);

        exit.Should().Be(0);
        unit.Should().Contain($"\nExecStart={AgentProcess.Program} --config /etc/nvml-mig/agent.json\n").And.Contain("\nType=notify\n");
    }

    [Fact]
    public async Task Systemd_finds_nothing_wrong_with_the_unit()
    {
        if (!File.Exists("/usr/bin/systemd-analyze"))
            return; // Nobody to ask.
        string folder = Directory.CreateTempSubdirectory().FullName;
        string file = Path.Combine(folder, "nvmig-agent.service");
        (_, string unit, _) = await AgentMachine.RunAsync([AgentProcess.Program, "--print-unit"]);
        await File.WriteAllTextAsync(file, unit);

        (int exit, string output, string error) = await AgentMachine.RunAsync(["systemd-analyze", "verify", "--man=no", file]);

        (exit, output + error).Should().Be((0, ""));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task An_option_that_there_is_not_is_an_error()
    {
        (int exit, _, string error) = await AgentMachine.RunAsync([AgentProcess.Program, "--sockets", "/tmp/x"]);

        (exit, error).Should().Be((64, "nvmig-agent: There is no option --sockets. Try --help.\n"));
    }
}
