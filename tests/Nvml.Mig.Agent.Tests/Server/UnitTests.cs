using Nvml.Mig.Simulator;
using Nvml.Mig.Tests;

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

    [Theory]
    [InlineData("/etc/our agent.json", "\"/etc/our agent.json\"")]
    [InlineData("/etc/100%/$x.json", "/etc/100%%/$$x.json")]
    [InlineData("/etc/\"a\\b\".json", "\"/etc/\\\"a\\\\b\\\".json\"")]
    public async Task The_unit_has_options_as_systemd_reads_them(string option, string written)
    {
        (_, string unit, _) = await AgentMachine.RunAsync([AgentProcess.Program, "--print-unit", "--config", option]);

        unit.Should().Contain($"--config {written}\n");
    }

    [Fact]
    public async Task The_unit_of_a_program_that_dotnet_runs_names_it()
    {
        string program = Path.Combine(AppContext.BaseDirectory, "nvmig-agent.dll");

        (_, string unit, _) = await AgentMachine.RunAsync(["dotnet", program, "--print-unit"]);

        unit.Should().MatchRegex($"\nExecStart=/.*/dotnet {program}\n");
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

    /// <summary>
    /// Daemons of MPS start servers as the user, who must be able to come to their folders: the most that the agent needs.
    /// </summary>
    [RootFact]
    public async Task What_the_unit_leaves_is_enough_for_a_users_fraction()
    {
        const uint nobody = 65534;
        await using AgentMachine machine = new();
        string control = SimulatedMps.Install(machine.File("programs"));
        string folder = machine.File("mps");
        await File.WriteAllTextAsync(machine.File("agent.json"), $$$"""{"Leasing": {"MpsFolder": "{{{folder}}}"}}""");
        (_, string unit, _) = await AgentMachine.RunAsync([AgentProcess.Program, "--print-unit"]);
        string kept = Setting("CapabilityBoundingSet").Replace("CAP_", "+", StringComparison.Ordinal).Replace(' ', ',').ToLowerInvariant();
        using AgentProcess agent = await AgentProcess.StartAsync(machine, configure: start =>
        {
            string[] command = [start.FileName, .. start.ArgumentList, "--config", machine.File("agent.json")];
            string[] service = ["-c", $"umask {Setting("UMask")}; exec setpriv --no-new-privs --bounding-set=-all,{kept} \"$@\"", "sh"];
            start.ArgumentList.Clear();
            foreach (string word in (string[])[.. service, .. command])
                start.ArgumentList.Add(word);
            start.FileName = "/bin/sh";
            start.Environment["NVMIG_MPS_CONTROL"] = control;
        });

        string Setting(string name) => unit.Split('\n').Single(line => line.StartsWith($"{name}=", StringComparison.Ordinal)).Split('=')[1];

        Answer claimed = await machine.CurlAsync(nobody, "/v1/leases", "--json", """
            {"id":"half","requests":[{"profile":"1g.5gb"}],"fraction":{"share":0.5},"durationSeconds":600}
            """);

        claimed.Code.Should().Be(200, claimed.Text);
        (_, string program, _) = await AgentMachine.RunAsync(
            ["sh", "-c", $"{machine.File("programs")}/mps-client -u {nobody} 512 < /dev/null"],
            [.. claimed.Json["lease"]!["environment"]!.AsObject().Select(v => (v.Key, v.Value!.GetValue<string>()))]);
        Answer released = await machine.CurlAsync(nobody, "/v1/leases/half", "-X", "DELETE");

        program.Should().MatchRegex("got 512 error 0 server [1-9]", "MPS takes it");
        released.Code.Should().Be(204);
        await Eventually.HoldsAsync(() => Directory.GetDirectories(folder).Should().BeEmpty("the daemon ends with the last fraction"));
    }

    [Fact]
    public async Task An_option_that_there_is_not_is_an_error()
    {
        (int exit, _, string error) = await AgentMachine.RunAsync([AgentProcess.Program, "--sockets", "/tmp/x"]);

        (exit, error).Should().Be((64, "nvmig-agent: There is no option --sockets. Try --help.\n"));
    }
}
