using System.Globalization;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>What the readings mean: findings, and what each GPU is ready for.</summary>
internal static class Diagnosis
{
    private const string InstancesUnread = "the instances cannot be read";
    private const string ProcessesUnread = "the processes cannot be read";

    /// <summary>Completes the reports of the GPUs and finds what is worth knowing, the worst first.</summary>
    public static IReadOnlyList<Finding> Of(HostReport? host, DriverReport? driver, IReadOnlyList<GpuReport> gpus, ErrorEntry? error)
    {
        List<Finding> findings = [.. OfMachine(host, driver, gpus, error)];
        List<(Severity Severity, string Code, string Message, int Gpu)> ofGpus = [];
        foreach (GpuReport gpu in gpus)
        {
            gpu.Holders = host is null ? null : HoldersOf(gpu, host);
            gpu.Readiness = Judge(gpu, host);
            ofGpus.AddRange(OfGpu(gpu, host).Select(f => (f.Severity, f.Code, f.Message, gpu.Index)));
        }

        // What is the same on eight GPUs is said once.
        findings.AddRange(ofGpus
            .GroupBy(f => (f.Severity, f.Code, f.Message))
            .Select(same => new Finding(same.Key.Severity, same.Key.Code, [.. same.Select(f => f.Gpu)], same.Key.Message)));
        return [.. findings.OrderBy(f => f.Severity).ThenBy(f => f.Gpus.Count == 0 ? -1 : f.Gpus[0])];
    }

    public static string Name(GpuHolderReport holder)
    {
        string what = holder.Service ?? holder.Name;
        return holder.SystemdUnit is null ? $"{what} (process {holder.ProcessId})" : $"{what} (process {holder.ProcessId}, {holder.SystemdUnit})";
    }

    private static IEnumerable<Finding> OfMachine(HostReport? host, DriverReport? driver, IReadOnlyList<GpuReport> gpus, ErrorEntry? error)
    {
        static Finding Found(Severity severity, string code, string message) => new(severity, code, [], message);

        if (error is not null)
            yield return Found(Severity.Error, "nvml-unusable", error.Message);
        else if (driver is not null && gpus.Count == 0)
            yield return Found(Severity.Error, "no-gpu", "NVML shows no GPU. Are they all passed through to virtual machines, or withheld from this container?");
        foreach (UnreadEntry unread in driver?.Unread.Where(IsTrouble) ?? [])
            yield return Found(Severity.Warning, "unread", unread.Message);
        if (driver?.Functions.Count(f => !f.Value) is > 0 and { } missing)
            yield return Found(Severity.Note, "older-driver", $"The driver has {missing} of {driver.Functions.Count} functions not yet (--json names them). Older ones take the place of most; what needs the others fails with NVML_ERROR_FUNCTION_NOT_FOUND.");
        if (gpus.SelectMany(g => g.Quirks ?? []).Select(q => q.Name).Distinct(StringComparer.Ordinal).ToArray() is { Length: > 0 } quirks)
            yield return Found(Severity.Note, "driver-quirks", $"{quirks.Length} oddities of this driver are known and coped with: {string.Join(", ", quirks)} (--json explains them).");
        foreach (string problem in host?.Problems ?? [])
            yield return Found(Severity.Warning, "host-unread", problem);
        if (host?.Privileges is { } privileges && !(privileges.CanChange && privileges.CanList))
            yield return Found(Severity.Warning, "no-privileges", privileges.Explanation);
        if (host?.Holders is { SeesWholeHost: false })
            yield return Found(Severity.Note, "host-hidden", "The processes of the whole host cannot be seen from here: others may hold a GPU. Look from the host, or give the container the host's PID namespace and name the host's root with --root.");
        if (host?.Holders is { UnreadableProcesses: { Count: > 0 } unreadable })
            yield return Found(Severity.Note, "holders-incomplete", $"{unreadable.Count} of the other processes could not be looked into, and may hold a GPU too: {string.Join(", ", unreadable.Take(10))}{(unreadable.Count > 10 ? ", ..." : "")}.{(host.Privileges is { EffectiveUserId: not 0 } ? " Root can look into more." : "")}");
    }

    private static IEnumerable<(Severity Severity, string Code, string Message)> OfGpu(GpuReport gpu, HostReport? host)
    {
        if (gpu.Error is not null)
            yield return (Severity.Error, "gpu-silent", gpu.Error.Message);
        foreach (UnreadEntry unread in gpu.Unread.Where(IsTrouble))
            yield return (Severity.Warning, "unread", unread.Message);
        if (gpu is { MigCapable: true, Profiles.Count: 0 })
            yield return (Severity.Error, "no-profiles", "It has a MIG mode, but the driver shows no profile: no instance can be created.");
        if (gpu.MigCapable == false)
            yield return (Severity.Note, "no-mig", "It cannot be divided.");
        if (gpu.VirtualizationMode == nameof(GpuVirtualizationMode.Vgpu))
            yield return (Severity.Note, "virtual-gpu", "It is a virtual GPU: how the GPU is divided is decided on the host.");
        if (gpu.Mig is { } mode && mode.Current != mode.Pending)
            yield return (Severity.Warning, "mode-pending", $"MIG is {OnOff(mode.Current)} until the GPU is reset, then {OnOff(mode.Pending)}. {PendingAdvice(NeedsReset(gpu) == true && IsPassedThrough(gpu))}");
        if (NeedsReset(gpu) == true && host?.NvidiaDrmLoaded == true)
            yield return (Severity.Note, "kernel-client", "The kernel module nvidia_drm is loaded, which can keep a GPU from being reset with no process to be seen.");
        if (gpu.GpuInstances?.Where(i => i.ComputeInstances.Count == 0).ToArray() is { Length: > 0 } empty)
            yield return (Severity.Warning, "unusable-instance", $"GPU instances without compute instances, which nothing can use: {string.Join(", ", empty.Select(i => $"{i.Id} ({i.Profile})"))}.");
        if (gpu.Holders?.Where(h => h.ShownByNvml != true).ToArray() is { Length: > 0 } hidden)
            yield return (Severity.Note, "holders", $"Its device file is open in {string.Join(", ", hidden.Select(Name))}{(hidden.Any(h => h.ShownByNvml is null) ? "" : ", which NVML does not show")}. Should the GPU or an instance of it be in use though no process is on it, restart these.");
        if (gpu.RemappedRows is { Failed: true })
            yield return (Severity.Error, "row-remap-failed", "A bad row of memory could not be replaced: have the GPU replaced.");
        if (gpu.RemappedRows is { Pending: true })
            yield return (Severity.Warning, "row-remap-pending", "A bad row of memory waits for a GPU reset to be replaced.");
        if (gpu is { PersistenceMode: false, ChangesMigModeWithoutReset: true, Mig.Current: true })
            yield return (Severity.Warning, "no-persistence", "Persistence mode is off: MIG mode and all instances may be gone when the driver unloads after its last client.");
    }

    private static Readiness Judge(GpuReport gpu, HostReport? host)
    {
        Change mode = new();
        Change create = new();
        Change destroy = new();
        Change[] all = [mode, create, destroy];
        string? refusal = gpu.Error is not null ? "the GPU does not answer"
            : gpu.MigCapable == false ? "the GPU cannot be divided"
            : gpu.VirtualizationMode == nameof(GpuVirtualizationMode.Vgpu) ? "it is a virtual GPU"
            : host?.Privileges is { CanChange: false } ? "this process may not change MIG"
            : null;
        foreach (Change change in all)
        {
            if (refusal is not null)
                change.Obstacles.Add(refusal);
            else if (gpu.Mig is null)
                change.Unread.Add("the MIG mode cannot be read");
            else if (gpu.VirtualizationMode is null)
                change.Unread.Add("the virtualization mode cannot be read");
            else if (host is { Privileges: null })
                change.Unread.Add("what this process may do cannot be read");
        }

        if (refusal is null && gpu.Mig is { } now)
        {
            JudgeModeChange(gpu, now, host, mode);
            JudgeCreation(gpu, now, create);
            JudgeDestruction(gpu, now, host, destroy);
        }

        return new Readiness(mode.ToReport(), create.ToReport(), destroy.ToReport());
    }

    /// <summary>Whether MIG can be enabled where it is disabled, and the other way round, and is so at once.</summary>
    private static void JudgeModeChange(GpuReport gpu, MigModeEntry now, HostReport? host, Change change)
    {
        if (now.Current && gpu.GpuInstances is null)
            change.Unread.Add(InstancesUnread);
        if (now.Current && gpu.GpuInstances is { Count: > 0 } instances)
            change.Obstacles.Add($"it has GPU instances: {string.Join(", ", instances.Select(i => i.Id))}");

        bool? needsReset = NeedsReset(gpu);
        if (needsReset is null)
            change.Unread.Add("whether it takes a reset of the GPU cannot be read");
        if (needsReset == false && !now.Current)
            return; // Hopper and newer enable MIG whoever uses them, and only disabling waits.

        if (needsReset == true && IsPassedThrough(gpu))
            change.Obstacles.Add("it takes a reset of the GPU, and so a reboot of this virtual machine");
        if (gpu.Processes is null)
            change.Unread.Add(ProcessesUnread);
        if (gpu.Processes is { Count: > 0 } running)
            change.Obstacles.Add($"{(needsReset == true ? "it takes a reset of the GPU, which" : "the GPU")} is used by {string.Join(", ", running.Select(Name).Distinct(StringComparer.Ordinal))}");
        if (needsReset != true)
            return;
        if (gpu.Holders?.Where(h => h.ShownByNvml != true).Select(Name).ToArray() is { Length: > 0 } holders)
            change.Obstacles.Add($"it takes a reset of the GPU, which is held by {string.Join(", ", holders)}");
        if (UnseenHolders(gpu, host) is { } unseen)
            change.Unread.Add(unseen);
    }

    private static void JudgeCreation(GpuReport gpu, MigModeEntry now, Change change)
    {
        if (!now.Current)
        {
            change.Obstacles.Add(now.Pending ? "MIG is disabled until the GPU is reset" : "MIG is disabled");
            return;
        }

        if (gpu.Profiles is null)
            change.Unread.Add("the profiles cannot be read");
        else if (gpu.Profiles.Count == 0)
            change.Obstacles.Add("the driver shows no profile");
        else if (gpu.Profiles.All(p => p.Free == 0))
            change.Obstacles.Add("there is no room for any");

        // What runs on the whole GPU keeps it from getting its first instance.
        if (gpu.GpuInstances is { Count: > 0 })
            return;
        if (gpu.Processes is null)
            change.Unread.Add(ProcessesUnread);
        if (gpu.Processes?.Where(p => p.GpuInstanceId is null).Select(Name).Distinct(StringComparer.Ordinal).ToArray() is { Length: > 0 } onTheWhole)
            change.Obstacles.Add($"the whole GPU is used by {string.Join(", ", onTheWhole)}");
    }

    private static void JudgeDestruction(GpuReport gpu, MigModeEntry now, HostReport? host, Change change)
    {
        if (!now.Current || gpu.GpuInstances is { Count: 0 })
            return; // There is nothing to destroy.
        if (gpu.GpuInstances is null)
            change.Unread.Add(InstancesUnread);
        if (gpu.Processes is null)
            change.Unread.Add(ProcessesUnread);
        foreach (IGrouping<int, ProcessReport> used in (gpu.Processes ?? []).Where(p => p.GpuInstanceId is not null).GroupBy(p => p.GpuInstanceId!.Value).OrderBy(used => used.Key))
            change.Obstacles.Add($"GPU instance {used.Key} is used by {string.Join(", ", used.Select(Name).Distinct(StringComparer.Ordinal))}");
        foreach (GpuHolderReport holder in gpu.Holders ?? [])
        {
            int[] held = [.. holder.GpuInstances.Where(id => gpu.Processes?.Any(p => p.ProcessId == holder.ProcessId && p.GpuInstanceId == id) != true)];
            if (held.Length > 0)
                change.Obstacles.Add($"GPU instance {string.Join(", ", held)} is held by {Name(holder)}");
        }

        if (UnseenHolders(gpu, host) is { } unseen)
            change.Unread.Add(unseen);
    }

    /// <summary>
    /// Before Hopper a change of mode resets the GPU, which takes that nobody has it open. Where the driver does not tell, the architecture
    /// does; null if neither can be read.
    /// </summary>
    private static bool? NeedsReset(GpuReport gpu) => gpu switch
    {
        { MigCapable: false } => false,
        { ChangesMigModeWithoutReset: { } resetless } => !resetless,
        { Architecture: { } architecture } => architecture == nameof(GpuArchitecture.Ampere),
        _ => null,
    };

    private static bool IsPassedThrough(GpuReport gpu) => gpu.VirtualizationMode == nameof(GpuVirtualizationMode.Passthrough);

    /// <summary>Why there can be holders that are not known; null if there are none, or no host to look at.</summary>
    private static string? UnseenHolders(GpuReport gpu, HostReport? host) => host switch
    {
        null => null,
        _ when gpu.Holders is null => "who has its device files open cannot be read",
        { Holders: { SeesWholeHost: true, UnreadableProcesses.Count: 0 } } => null,
        _ => "not every process of the host can be looked into",
    };

    /// <summary>Those with device files of the GPU or its instances open; null if the minor number that these are named by is not known.</summary>
    private static List<GpuHolderReport>? HoldersOf(GpuReport gpu, HostReport host)
    {
        if (host.Holders is null || gpu.MinorNumber is not { } minor)
            return null;
        string file = string.Create(CultureInfo.InvariantCulture, $"/dev/nvidia{minor}");
        bool showsAll = gpu.Mig?.Current == false || host.Privileges is { CanList: true };
        List<GpuHolderReport> found = [];
        foreach (HolderReport holder in host.Holders.Processes)
        {
            int[] instances = [.. holder.Capabilities.Select(c => GpuInstanceOf(c, minor)).OfType<int>().Distinct().Order()];
            if (instances.Length == 0 && !holder.Files.Contains(file, StringComparer.Ordinal))
                continue;
            bool? isShown = gpu.Processes?.Any(p => p.ProcessId == holder.ProcessId);
            found.Add(new GpuHolderReport(
                holder.ProcessId, holder.Name, holder.Service, holder.SystemdUnit, isShown == false && !showsAll ? null : isShown, instances));
        }

        return found;
    }

    /// <summary>That a GPU does not have something is no trouble; that it cannot be read is.</summary>
    private static bool IsTrouble(UnreadEntry unread) => unread.Code is not (NvmlReturnCode.NotSupported or NvmlReturnCode.FunctionNotFound);

    /// <summary>How a mode comes that the driver has taken and not put into effect (the MIG user guide, and what nvidia-smi prints).</summary>
    public static string PendingAdvice(bool needsReboot) => needsReboot
        ? "A GPU that is passed through to a virtual machine is reset by rebooting that."
        : "Stop what uses it and ask for the mode again, or reset it with nvidia-smi --gpu-reset, or reboot.";

    private static string Name(ProcessReport process) => process.Name is null ? $"process {process.ProcessId}" : $"process {process.ProcessId} ({process.Name})";

    private static string OnOff(bool enabled) => enabled ? "enabled" : "disabled";

    /// <summary>The 7 of <c>gpu0/gi7/access</c> and of <c>gpu0/gi7/ci0/access</c>, for GPU minor number 0; else null.</summary>
    private static int? GpuInstanceOf(string capability, int minor) =>
        capability.Split('/') is [var gpu, ['g', 'i', .. var id], ..]
        && gpu == string.Create(CultureInfo.InvariantCulture, $"gpu{minor}")
        && int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? number
            : null;

    /// <summary>What is in the way of one kind of change, and what that would decide it could not be read.</summary>
    private sealed class Change
    {
        public List<string> Obstacles { get; } = [];

        public List<string> Unread { get; } = [];

        public ChangeReadiness ToReport() => new(Obstacles.Count > 0 ? false : Unread.Count > 0 ? null : true, [.. Obstacles, .. Unread]);
    }
}
