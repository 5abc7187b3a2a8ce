using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Leases;

/// <summary>The common part of the commands on leases.</summary>
internal static class LeaseRun
{
    /// <summary>Names another socket, as the agent's --socket does.</summary>
    private const string SocketVariable = "NVMIG_AGENT_SOCKET";

    /// <summary>Opens the machine's leases and runs the command on them. Ctrl-C ends what it waits for.</summary>
    public static int Run(
        ParseResult parsed, Func<ILeases, Machine, CancellationToken, Task<int>> command, bool changes = true) =>
        Machine.Run(parsed, machine =>
        {
            using Interruption interruption = new(changes);
            return RunAsync(parsed, machine, command, interruption.Token).GetAwaiter().GetResult();
        });

    /// <summary>Claims, and says meanwhile why it waits.</summary>
    public static Task<LeaseEntry> ClaimAsync(
        ILeases leases, ClaimRequest claim, TimeSpan? timeout, bool json, CancellationToken cancellationToken)
    {
        return leases.ClaimAsync(claim, timeout, Tell, cancellationToken);

        void Tell(string message)
        {
            if (!json && timeout != TimeSpan.Zero)
                Terminal.WriteError(message);
        }
    }

    /// <summary>The agent, where it is meant and answers; else null.</summary>
    public static ILeases? FindAgent(ParseResult parsed, Machine machine) =>
        FindSocket(parsed, machine) is { } socket && AgentAddress.IsAnswered(socket)
            ? new AgentLeases(new AgentConnection(socket))
            : null;

    private static async Task<int> RunAsync(
        ParseResult parsed,
        Machine machine,
        Func<ILeases, Machine, CancellationToken, Task<int>> command,
        CancellationToken cancellationToken)
    {
        try
        {
            using ILeases leases = await OpenAsync(parsed, machine, cancellationToken);
            return await command(leases, machine, cancellationToken);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException("Interrupted.", e, cancellationToken);
        }
    }

    /// <summary>The agent, if it answers; else this process keeps the leases itself.</summary>
    private static async Task<ILeases> OpenAsync(ParseResult parsed, Machine machine, CancellationToken cancellationToken)
    {
        if (FindAgent(parsed, machine) is { } agent)
            return agent;
        LeaseOptions options = new() { JournalFolder = ApplyArguments.GetJournalFolder(parsed, machine) };
        if (machine.IsSimulated)
            options = options with { MpsFolder = SimulatedMpsFolder(options.JournalFolder) };
        try
        {
            LeaseManager manager = await LeaseManager.OpenAsync(machine.Session, options, cancellationToken);
            return new OwnLeases(machine.Session, manager, () => machine.IsSimulated ? MigMinors.Known : MigMinors.Read());
        }
        catch (LeaseException e) when (FindSocket(parsed, machine) is { } socket && IsDenied(e.Error))
        {
            throw new LeaseException(
                LeaseError.Forbidden,
                $"Leases need root or the agent, and no agent answers on {socket}. Use sudo, or have nvmig-agent started.",
                e);
        }
    }

    /// <summary>A folder for the machine in this journal, short enough for the sockets in it.</summary>
    private static string SimulatedMpsFolder(string journal) => Path.Combine(
        Path.GetTempPath(), $"nvmig-mps-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(journal)))[..8]}");

    /// <summary>The agent's socket; null where a simulated machine or a journal of one's own is meant, which no agent has.</summary>
    private static string? FindSocket(ParseResult parsed, Machine machine)
    {
        if (machine.IsSimulated || parsed.GetValue(ApplyArguments.JournalFolder) is not null)
            return null;
        string? named = Environment.GetEnvironmentVariable(SocketVariable);
        return !string.IsNullOrEmpty(named)
            ? named
            : machine.JournalFolder == ApplyOptions.DefaultJournalFolder ? AgentAddress.DefaultSocket : null;
    }

    /// <summary>The book is root's.</summary>
    private static bool IsDenied(LeaseError error) => error == LeaseError.Store && MigPrivileges.Read().EffectiveUserId != 0;
}
