using System.CommandLine;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Cli.Leases;

/// <summary>The common part of the commands on leases.</summary>
internal static class LeaseRun
{
    /// <summary>Opens the machine's leases and runs the command on them. Ctrl-C ends what it waits for.</summary>
    public static int Run(
        ParseResult parsed, Func<LeaseManager, Machine, CancellationToken, Task<int>> command, bool changes = true) =>
        Machine.Run(parsed, machine =>
        {
            using Interruption interruption = new(changes);
            return RunAsync(parsed, machine, command, interruption.Token).GetAwaiter().GetResult();
        });

    /// <summary>Claims, and says meanwhile why it waits.</summary>
    public static async Task<GrantedLease> ClaimAsync(
        LeaseManager manager, Claim claim, LeaseHold hold, TimeSpan? timeout, bool json, CancellationToken cancellationToken)
    {
        WaitView view = new(quiet: json || timeout == TimeSpan.Zero);
        return await manager.ClaimAsync(claim, hold, timeout, view, cancellationToken);
    }

    private static async Task<int> RunAsync(
        ParseResult parsed,
        Machine machine,
        Func<LeaseManager, Machine, CancellationToken, Task<int>> command,
        CancellationToken cancellationToken)
    {
        LeaseOptions options = new() { JournalFolder = ApplyArguments.GetJournalFolder(parsed, machine) };
        using LeaseManager manager = await LeaseManager.OpenAsync(machine.Session, options, cancellationToken);
        return await command(manager, machine, cancellationToken);
    }

    private sealed class WaitView(bool quiet) : IProgress<Waiting>
    {
        public void Report(Waiting value)
        {
            if (!quiet)
                Terminal.WriteError($"{value.Claim.Id} waits as number {value.Position}. {value.Message}");
        }
    }
}
