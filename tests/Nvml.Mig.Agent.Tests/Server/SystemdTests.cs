using Nvml.Mig.Applying;
using Nvml.Mig.Leasing;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Agent.Tests.Server;

/// <summary>The unit as a real systemd runs it.</summary>
public class SystemdTests
{
    private const uint Nobody = 65534;

    [SystemdFact]
    public async Task A_users_fraction_outlives_what_systemd_does()
    {
        await using SystemdMachine machine = await SystemdMachine.StartAsync();
        await machine.RunAsync(AgentMachine.Tool, "lease", "policy", "--whole-gpus", "true");
        using RunningProgram program = machine.Start(
            Nobody, AgentMachine.Tool, "run", "--fraction", "0.5", "--", SystemdMachine.MpsClient, "512");
        await program.SaysAsync("got 512 error 0");
        string lease = await ListAsync();
        lease.Should().Contain("run-");

        await machine.RunAsync("systemctl", "restart", "nvmig-agent");
        await GoesOnAsync("active");
        string killed = await machine.ReadAsync("MainPID");
        await machine.RunAsync("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "nvmig-agent");
        await Eventually.HoldsAsync(async () => (await machine.ReadAsync("MainPID")).Should().NotBe(killed).And.NotBe("0"));
        await GoesOnAsync("active");
        await machine.RunAsync("systemctl", "stop", "nvmig-agent");
        await GoesOnAsync("inactive");
        await machine.RunAsync("systemctl", "start", "nvmig-agent");
        await GoesOnAsync("active");

        program.Process.StandardInput.Close();
        (await program.EndAsync()).Should().Be(0, program.Said);
        await Eventually.HoldsAsync(async () => (await ListAsync()).Should().NotContain("run-"));
        await Eventually.HoldsAsync(async () => (await machine.RunAsync("ls", LeaseOptions.DefaultMpsFolder)).Should().BeEmpty());

        async Task GoesOnAsync(string state)
        {
            await Eventually.HoldsAsync(async () => (await machine.ReadAsync("ActiveState")).Should().Be(state));
            (await ListAsync()).Should().Be(lease);
            program.Process.HasExited.Should().BeFalse(program.Said);
        }

        // By the book, with and without the agent.
        Task<string> ListAsync() =>
            machine.RunAsync(AgentMachine.Tool, "lease", "list", "--record-folder", ApplyOptions.DefaultJournalFolder);
    }
}
