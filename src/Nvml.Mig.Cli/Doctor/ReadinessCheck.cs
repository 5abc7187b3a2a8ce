namespace Nvml.Mig.Cli.Doctor;

/// <summary>Whether a GPU is ready for a mode change, for new instances and for destroying, from its readings and the host's.</summary>
internal sealed class ReadinessCheck
{
    private const string InstancesUnread = "the instances cannot be read";
    private const string ProcessesUnread = "the processes cannot be read";

    /// <summary>The obstacles to the change.</summary>
    private readonly List<string> _obstacles = [];

    /// <summary>Readings that would decide it, and failed.</summary>
    private readonly List<string> _unread = [];

    public static Readiness Of(GpuReport gpu, HostReport? host) => new(
        new ReadinessCheck().Judge(gpu, host, (check, now) => check.JudgeModeChange(gpu, now, host)),
        new ReadinessCheck().Judge(gpu, host, (check, now) => check.JudgeCreation(gpu, now)),
        new ReadinessCheck().Judge(gpu, host, (check, now) => check.JudgeDestruction(gpu, now, host)));

    /// <summary>
    /// Before Hopper a change of mode resets the GPU, which must not be open anywhere. If the driver does not report it, the architecture
    /// decides; null if neither can be read.
    /// </summary>
    public static bool? NeedsReset(GpuReport gpu) => gpu switch
    {
        { MigCapable: false } => false,
        { ChangesMigModeWithoutReset: { } resetless } => !resetless,
        { Architecture: { } architecture } => architecture == nameof(GpuArchitecture.Ampere),
        _ => null,
    };

    private ChangeReadiness Judge(GpuReport gpu, HostReport? host, Action<ReadinessCheck, Output.MigModeEntry> judge)
    {
        string? refusal = gpu.Error is not null ? "the GPU does not answer"
            : gpu.MigCapable == false ? "the GPU does not support MIG"
            : gpu.VirtualizationMode == nameof(GpuVirtualizationMode.Vgpu) ? "it is a virtual GPU"
            : host?.Privileges is { CanChange: false } ? "this process may not change MIG"
            : null;
        if (refusal is not null)
            _obstacles.Add(refusal);
        else if (gpu.Mig is null)
            _unread.Add("the MIG mode cannot be read");
        else if (gpu.VirtualizationMode is null)
            _unread.Add("the virtualization mode cannot be read");
        else if (host is { Privileges: null })
            _unread.Add("the privileges of this process cannot be read");
        if (refusal is null && gpu.Mig is { } now)
            judge(this, now);
        return new ChangeReadiness(_obstacles.Count > 0 ? false : _unread.Count > 0 ? null : true, [.. _obstacles, .. _unread]);
    }

    /// <summary>Whether the mode can be switched to the other one, and that takes effect at once.</summary>
    private void JudgeModeChange(GpuReport gpu, Output.MigModeEntry now, HostReport? host)
    {
        if (now.Current && gpu.GpuInstances is null)
            _unread.Add(InstancesUnread);
        if (now.Current && gpu.GpuInstances is { Count: > 0 } instances)
            _obstacles.Add($"it has GPU instances: {string.Join(", ", instances.Select(i => i.Id))}");

        bool? needsReset = NeedsReset(gpu);
        if (needsReset is null)
            _unread.Add("whether it needs a reset of the GPU cannot be read");
        if (needsReset == false && !now.Current)
            return; // Hopper and newer enable MIG while the GPU is in use; only disabling waits.

        if (needsReset == true && gpu.IsPassedThrough)
            _obstacles.Add("it needs a reset of the GPU, and so a reboot of this virtual machine");
        if (gpu.Processes is null)
            _unread.Add(ProcessesUnread);
        if (gpu.Processes is { Count: > 0 } running)
            _obstacles.Add($"{(needsReset == true ? "it needs a reset of the GPU, which" : "the GPU")} is used by {Names(running)}");
        if (needsReset != true)
            return;
        if (gpu.Holders?.Where(h => h.ShownByNvml != true).Select(Diagnosis.Name).ToArray() is { Length: > 0 } clients)
            _obstacles.Add($"it needs a reset of the GPU, which is held by {string.Join(", ", clients)}");
        NoteUnseenClients(gpu, host);
    }

    private void JudgeCreation(GpuReport gpu, Output.MigModeEntry now)
    {
        if (!now.Current)
        {
            _obstacles.Add(now.Pending ? "MIG is disabled until the GPU is reset" : "MIG is disabled");
            return;
        }

        if (gpu.Profiles is null)
            _unread.Add("the profiles cannot be read");
        else if (gpu.Profiles.Count == 0)
            _obstacles.Add("the driver reports no profile");
        else if (gpu.Profiles.All(p => p.Free == 0))
            _obstacles.Add("no profile has room");

        // A process on the whole GPU keeps it from getting its first instance.
        if (gpu.GpuInstances is { Count: > 0 })
            return;
        if (gpu.Processes is null)
            _unread.Add(ProcessesUnread);
        if (gpu.Processes?.Where(p => p.GpuInstanceId is null).ToArray() is { Length: > 0 } onTheWhole)
            _obstacles.Add($"the whole GPU is used by {Names(onTheWhole)}");
    }

    private void JudgeDestruction(GpuReport gpu, Output.MigModeEntry now, HostReport? host)
    {
        if (!now.Current || gpu.GpuInstances is { Count: 0 })
            return; // There is nothing to destroy.
        if (gpu.GpuInstances is null)
            _unread.Add(InstancesUnread);
        if (gpu.Processes is null)
            _unread.Add(ProcessesUnread);
        foreach (IGrouping<int, ProcessReport> used in (gpu.Processes ?? [])
            .Where(p => p.GpuInstanceId is not null)
            .GroupBy(p => p.GpuInstanceId!.Value)
            .OrderBy(used => used.Key))
        {
            _obstacles.Add($"GPU instance {used.Key} is used by {Names(used)}");
        }

        foreach (GpuHolderReport client in gpu.Holders ?? [])
        {
            int[] held = [.. client.GpuInstances
                .Where(id => gpu.Processes?.Any(p => p.ProcessId == client.ProcessId && p.GpuInstanceId == id) != true)];
            if (held.Length > 0)
                _obstacles.Add($"GPU instance {string.Join(", ", held)} is held by {Diagnosis.Name(client)}");
        }

        NoteUnseenClients(gpu, host);
    }

    /// <summary>Notes that there can be unknown clients, on a host.</summary>
    private void NoteUnseenClients(GpuReport gpu, HostReport? host)
    {
        if (host is null)
            return;
        if (gpu.Holders is null)
            _unread.Add("the processes with its device files open cannot be read");
        else if (host.Holders is not { SeesWholeHost: true, UnreadableProcesses.Count: 0 })
            _unread.Add("not every process of the host can be inspected");
    }

    private static string Names(IEnumerable<ProcessReport> processes) => string.Join(", ", processes
        .Select(process => process.Name is null ? $"process {process.ProcessId}" : $"process {process.ProcessId} ({process.Name})")
        .Distinct(StringComparer.Ordinal));
}
