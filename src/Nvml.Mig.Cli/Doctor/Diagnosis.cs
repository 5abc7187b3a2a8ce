using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>What the readings mean: findings, and whether a GPU is ready for a change.</summary>
internal static class Diagnosis
{
    /// <summary>Completes the reports of the GPUs and finds what is worth knowing, the worst first.</summary>
    public static IReadOnlyList<Finding> Of(
        DriverReport? driver, PrivilegesReport? privileges, HoldersReport? holders, IReadOnlyList<GpuReport> gpus, ErrorEntry? error)
    {
        List<Finding> findings = [];
        void Find(Severity severity, string code, string message) => findings.Add(new Finding(severity, code, null, message));

        if (error is not null)
            Find(Severity.Error, "nvml-unusable", error.Message);
        if (driver is not null && gpus.Count == 0)
            Find(Severity.Error, "no-gpu", "NVML shows no GPU. Are they all passed through to virtual machines, or withheld from this container?");
        if (driver?.Functions.Where(f => !f.Value).Select(f => f.Key).ToArray() is { Length: > 0 } missing)
            Find(Severity.Note, "older-driver", $"The driver has no {string.Join(", ", missing)}. What needs them fails with NVML_ERROR_FUNCTION_NOT_FOUND; older functions take the place of others.");
        if (privileges is { CanChange: false } or { CanList: false })
            Find(Severity.Warning, "no-privileges", privileges.Explanation);
        if (holders is { Complete: false })
        {
            Find(Severity.Note, "holders-incomplete", holders.UnreadableProcesses > 0
                ? $"{holders.UnreadableProcesses} of the other processes could not be looked into: they may hold a GPU too. Root can look."
                : "The processes of the whole host cannot be seen from here: others may hold a GPU. Look from the host, or name its root with --root.");
        }

        // The driver's, though found on GPUs: once is enough.
        foreach (QuirkReport quirk in gpus.SelectMany(gpu => gpu.Quirks ?? []).DistinctBy(q => q.Name, StringComparer.Ordinal))
            Find(Severity.Note, "driver-quirk", quirk.Description);
        foreach (GpuReport gpu in gpus)
            findings.AddRange(Of(gpu, privileges, holders));
        return [.. findings.OrderBy(f => f.Severity).ThenBy(f => f.Gpu)];
    }

    private static List<Finding> Of(GpuReport gpu, PrivilegesReport? privileges, HoldersReport? holders)
    {
        List<Finding> findings = [];
        List<string> obstacles = [];
        void Find(Severity severity, string code, string message) => findings.Add(new Finding(severity, code, gpu.Index, message));
        void Hinder(Severity severity, string code, string message)
        {
            Find(severity, code, message);
            obstacles.Add(message);
        }

        gpu.HiddenHolders = holders is null || gpu.MinorNumber is null ? null : HiddenFrom(gpu, holders);
        if (gpu.Error is not null)
            Hinder(Severity.Error, "gpu-silent", gpu.Error.Message);
        else if (gpu.MigCapable == false)
            Hinder(Severity.Note, "no-mig", "It cannot be divided.");
        if (gpu.Mig is { } mode && mode.Current != mode.Pending)
            Hinder(Severity.Warning, "mode-pending", $"MIG is {(mode.Current ? "enabled" : "disabled")} until the GPU is reset, then {(mode.Pending ? "enabled" : "disabled")}. {Reset(gpu)}");
        if (privileges is { CanChange: false })
            obstacles.Add("This process may not change MIG.");
        if (gpu.Processes?.Where(p => p.GpuInstanceId is null).ToArray() is { Length: > 0 } onTheWhole)
            Hinder(Severity.Warning, "in-use", $"Used as a whole by {string.Join(", ", onTheWhole.Select(Name))}: no first instance can be created, nor MIG mode changed where that takes a reset.");
        if (gpu.HiddenHolders is { Count: > 0 } hidden)
            Hinder(Severity.Warning, "hidden-holder", $"Held by {string.Join(", ", hidden.Select(Name))}, which NVML does not show: instances cannot be destroyed, nor MIG mode changed where that takes a reset, until they let go.");
        if (gpu.GpuInstances?.Where(i => i.ComputeInstances.Count == 0).ToArray() is { Length: > 0 } empty)
            Find(Severity.Warning, "unusable-instance", $"GPU instances without compute instances, which nothing can use: {string.Join(", ", empty.Select(i => $"{i.Id} ({i.Profile})"))}.");
        if (gpu.RemappedRows is { Failed: true })
            Find(Severity.Error, "row-remap-failed", "A bad row of memory could not be replaced: have the GPU replaced.");
        if (gpu.RemappedRows is { Pending: true })
            Find(Severity.Warning, "row-remap-pending", "A bad row of memory waits for a GPU reset to be replaced.");
        if (gpu is { PersistenceMode: false, ChangesMigModeWithoutReset: true })
            Find(Severity.Warning, "no-persistence", "Persistence mode is off: when the last client leaves the GPU, MIG mode and all instances are gone.");
        gpu.Obstacles = obstacles;
        gpu.ReadyForChange = obstacles.Count == 0;
        return findings;
    }

    private static List<HolderReport> HiddenFrom(GpuReport gpu, HoldersReport holders)
    {
        string file = $"/dev/nvidia{gpu.MinorNumber}";
        return [.. holders.Processes.Where(holder =>
            holder.Files.Contains(file, StringComparer.Ordinal) && gpu.Processes?.Any(p => p.ProcessId == holder.ProcessId) != true)];
    }

    private static string Reset(GpuReport gpu) => gpu.VirtualizationMode == nameof(GpuVirtualizationMode.Passthrough)
        ? "A GPU that is passed through to a virtual machine is reset by rebooting that."
        : "Reset it with nvidia-smi --gpu-reset once nobody uses it, or reboot.";

    private static string Name(ProcessReport process) => process.Name is null ? $"process {process.ProcessId}" : $"process {process.ProcessId} ({process.Name})";

    private static string Name(HolderReport holder)
    {
        string what = holder.Service ?? holder.Name;
        return holder.SystemdUnit is null ? $"{what} (process {holder.ProcessId})" : $"{what} (process {holder.ProcessId}, {holder.SystemdUnit})";
    }
}
