using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Apply;

/// <summary>The options of the commands that change layouts.</summary>
internal static class ApplyArguments
{
    public static readonly Option<bool> DryRun = new("--dry-run") { Description = "Show what would be done, and change nothing." };

    public static readonly Option<bool> ResetGpu = new("--reset-gpu")
    {
        Description = "Reset a GPU (nvidia-smi --gpu-reset) if its MIG mode is pending. No process may use the GPU at that time.",
    };

    public static readonly Option<bool> AllOrNothing = new("--all-or-nothing")
    {
        Description = "If one GPU fails, roll back all of them. Without it, the other GPUs finish.",
    };

    public static readonly Option<bool> Quiesce = new("--quiesce")
    {
        Description = "If a GPU is held by something that NVML does not show, or a reset is necessary, stop the services that hold GPUs "
            + $"({string.Join(", ", GpuServices.DefaultUnits)}), and start those that ran again. Not on a simulated machine.",
    };

    public static readonly Option<string[]> Services = new("--services")
    {
        Description = "With --quiesce: the systemd units to stop, in this order, instead of the default ones.",
        HelpName = "UNIT",
        AllowMultipleArgumentsPerToken = true,
    };

    public static readonly Option<string[]> BeforeStop = new("--before-stop")
    {
        Description = "With --quiesce: a command for /bin/sh to run before services are stopped. If it fails, none is stopped.",
        HelpName = "COMMAND",
    };

    public static readonly Option<string[]> AfterStart = new("--after-start")
    {
        Description = "With --quiesce: a command for /bin/sh to run after services were started again.",
        HelpName = "COMMAND",
    };

    public static readonly Option<string?> JournalFolder = new("--record-folder")
    {
        Description = "The folder of the journal, in which a layout is recorded before it is changed; by default "
            + $"{ApplyOptions.DefaultJournalFolder}, for a simulated machine beside its file.",
        HelpName = "DIR",
    };

    public static readonly Option<bool> LeavePending = new("--leave-pending")
    {
        Description = "Where only a reboot switches the MIG mode, leave it pending (exit code 75); the same apply after it completes.",
    };

    public static readonly Option<double> Wait = new("--wait")
    {
        Description = "How long to wait while another process changes GPUs. By default 5: leases change them often, and for a moment.",
        HelpName = "SECONDS",
    };

    /// <summary>Reads the options of apply and rollback.</summary>
    /// <exception cref="UsageException">Options contradict each other.</exception>
    public static ApplyOptions Read(ParseResult parsed, Machine machine) => new()
    {
        LockTimeout = ReadWait(parsed),
        LeaveModePending = ReadLeavePending(parsed),
        DryRun = parsed.GetValue(DryRun),
        AllOrNothing = parsed.GetResult(AllOrNothing) is not null && parsed.GetValue(AllOrNothing),
        JournalFolder = GetJournalFolder(parsed, machine),
        ResetGpu = parsed.GetValue(ResetGpu) ? NvidiaSmi.ResetGpuAsync : null,
        Services = ReadServices(parsed, machine),
        Quiesce = parsed.GetValue(Quiesce),
    };

    /// <summary>The folder of the journal that was named, or that of the machine.</summary>
    /// <exception cref="UsageException">The name is empty.</exception>
    public static string GetJournalFolder(ParseResult parsed, Machine machine) => parsed.GetValue(JournalFolder) switch
    {
        null => machine.JournalFolder,
        { } folder when string.IsNullOrWhiteSpace(folder) => throw new UsageException("--record-folder names no folder."),
        { } folder => Path.GetFullPath(folder),
    };

    private static TimeSpan ReadWait(ParseResult parsed)
    {
        const double most = 1e6;
        if (parsed.GetResult(Wait) is null)
            return Machine.LockTimeout;
        double seconds = parsed.GetValue(Wait);
        return seconds is >= 0 and <= most
            ? TimeSpan.FromSeconds(seconds)
            : throw new UsageException(FormattableString.Invariant($"--wait is a number of seconds from 0 to {most:0}."));
    }

    private static bool ReadLeavePending(ParseResult parsed)
    {
        bool leave = parsed.GetResult(LeavePending) is not null && parsed.GetValue(LeavePending);
        return leave && parsed.GetValue(ResetGpu)
            ? throw new UsageException("--leave-pending waits for a reboot, and --reset-gpu does not: choose one.")
            : leave;
    }

    /// <summary>
    /// The services of the real machine. Without --quiesce none is stopped, but those that a killed apply has stopped are started again.
    /// </summary>
    private static GpuServices? ReadServices(ParseResult parsed, Machine machine)
    {
        string[] units = parsed.GetValue(Services) ?? [];
        bool quiesce = parsed.GetValue(Quiesce);
        if (!quiesce
            && (units.Length > 0 || parsed.GetValue(BeforeStop) is { Length: > 0 } || parsed.GetValue(AfterStart) is { Length: > 0 }))
            throw new UsageException("--services, --before-stop and --after-start need --quiesce.");
        if (quiesce && machine.IsSimulated)
            throw new UsageException("--quiesce stops services of the real machine, so it cannot be used with --simulate.");
        return machine.IsSimulated ? null : new GpuServices
        {
            JournalPath = parsed.GetValue(JournalFolder) is { } folder
                ? Path.Combine(Path.GetFullPath(folder), "stopped-services")
                : GpuServices.DefaultJournalPath,
            Units = units.Length > 0 ? units : null,
            BeforeStop = Hooks(BeforeStop),
            AfterStart = Hooks(AfterStart),
        };

        ServiceHook[] Hooks(Option<string[]> option) =>
            [.. (parsed.GetValue(option) ?? []).Select(line => ServiceHook.Command("/bin/sh", ["-c", line]) with { Name = line })];
    }
}
