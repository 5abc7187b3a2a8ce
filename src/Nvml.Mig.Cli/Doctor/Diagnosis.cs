using System.Globalization;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>The diagnosis of the readings: findings about the machine and its GPUs, and the readiness of each GPU.</summary>
internal static class Diagnosis
{
    /// <summary>Completes the reports of the GPUs, and returns the findings, the worst first.</summary>
    public static (IReadOnlyList<GpuReport> Gpus, IReadOnlyList<Finding> Findings) Of(
        HostReport? host, DriverReport? driver, IReadOnlyList<GpuReport> gpus, ErrorEntry? error)
    {
        gpus = [.. gpus.Select(gpu => gpu with { Holders = host is null ? null : ClientsOf(gpu, host) })];
        gpus = [.. gpus.Select(gpu => gpu with { Readiness = ReadinessCheck.Of(gpu, host) })];
        IEnumerable<Finding> ofGpus = gpus
            .SelectMany(gpu => OfGpu(gpu, host).Select(found => (found.Severity, found.Code, found.Message, gpu.Index)))
            .GroupBy(found => (found.Severity, found.Code, found.Message)) // The same on eight GPUs is one finding.
            .Select(same => new Finding(same.Key.Severity, same.Key.Code, [.. same.Select(found => found.Index)], same.Key.Message));
        IEnumerable<Finding> all = OfMachine(host, driver, gpus, error).Concat(ofGpus);
        return (gpus, [.. all.OrderBy(f => f.Severity).ThenBy(f => f.Gpus.Count == 0 ? -1 : f.Gpus[0])]);
    }

    public static string Name(GpuHolderReport client)
    {
        string what = client.Service ?? client.Name;
        return client.SystemdUnit is null
            ? $"{what} (process {client.ProcessId})"
            : $"{what} (process {client.ProcessId}, {client.SystemdUnit})";
    }

    private static IEnumerable<Finding> OfMachine(
        HostReport? host, DriverReport? driver, IReadOnlyList<GpuReport> gpus, ErrorEntry? error)
    {
        static Finding Found(Severity severity, string code, string message) => new(severity, code, [], message);

        if (error is not null)
            yield return Found(Severity.Error, "nvml-unusable", error.Message);
        else if (driver is not null && gpus.Count == 0)
            yield return Found(
                Severity.Error,
                "no-gpu",
                "NVML reports no GPU. Check whether all are passed through to virtual machines, or withheld from this container.");
        foreach (UnreadEntry unread in driver?.Unread.Where(IsTrouble) ?? [])
            yield return Found(Severity.Warning, "unread", unread.Message);
        if (driver?.Functions.Count(f => !f.Value) is > 0 and { } missing)
        {
            yield return Found(
                Severity.Note,
                "older-driver",
                $"The driver lacks {missing} of {driver.Functions.Count} functions (--json names them). Older functions replace most of "
                    + "them; a "
                + "command that needs another fails with NVML_ERROR_FUNCTION_NOT_FOUND.");
        }

        string[] quirks = [.. gpus.SelectMany(g => g.Quirks ?? []).Select(q => q.Name).Distinct(StringComparer.Ordinal)];
        if (quirks.Length > 0)
        {
            yield return Found(
                Severity.Note,
                "driver-quirks",
                $"This driver has {quirks.Length} known quirks, which are handled: {string.Join(", ", quirks)} (--json explains them).");
        }

        foreach (string problem in host?.Problems ?? [])
            yield return Found(Severity.Warning, "host-unread", problem);
        if (host?.Privileges is { } privileges && !(privileges.CanChange && privileges.CanList))
            yield return Found(Severity.Warning, "no-privileges", privileges.Explanation);
        if (host?.Holders is { SeesWholeHost: false })
        {
            yield return Found(
                Severity.Note,
                "host-hidden",
                "Not all processes of the host are visible from here, so others may hold a GPU. Run this on the host, or give the "
                    + "container the host's "
                + "PID namespace and name the host's root with --root.");
        }

        if (host?.Holders is { UnreadableProcesses: { Count: > 0 } unreadable })
        {
            string ids = string.Join(", ", unreadable.Take(10)) + (unreadable.Count > 10 ? ", ..." : "");
            string hint = host.Privileges is { EffectiveUserId: not 0 } ? " Root can inspect more." : "";
            yield return Found(
                Severity.Note,
                "holders-incomplete",
                $"{unreadable.Count} other processes cannot be inspected, and may hold a GPU too: {ids}.{hint}");
        }
    }

    private static IEnumerable<(Severity Severity, string Code, string Message)> OfGpu(GpuReport gpu, HostReport? host)
    {
        if (gpu.Error is not null)
            yield return (Severity.Error, "gpu-silent", gpu.Error.Message);
        foreach (UnreadEntry unread in gpu.Unread.Where(IsTrouble))
            yield return (Severity.Warning, "unread", unread.Message);
        if (gpu is { MigCapable: true, Profiles.Count: 0 })
            yield return (
                Severity.Error, "no-profiles", "It has a MIG mode, but the driver reports no profile: no instance can be created.");
        if (gpu.MigCapable == false)
            yield return (Severity.Note, "no-mig", "It does not support MIG.");
        if (gpu.VirtualizationMode == nameof(GpuVirtualizationMode.Vgpu))
            yield return (Severity.Note, "virtual-gpu", "It is a virtual GPU: the host decides how the GPU is divided.");
        if (gpu.Mig is { } mode && mode.Current != mode.Pending)
        {
            bool needsReboot = ReadinessCheck.NeedsReset(gpu) == true && gpu.IsPassedThrough;
            yield return (Severity.Warning, "mode-pending", PendingMode.Describe(new MigMode(mode.Current, mode.Pending), needsReboot));
        }

        if (ReadinessCheck.NeedsReset(gpu) == true && host?.NvidiaDrmLoaded == true)
            yield return (
                Severity.Note,
                "kernel-client",
                "The kernel module nvidia_drm is loaded. It can keep a GPU from being reset although no process is visible.");
        foreach ((Severity Severity, string Code, string Message) found in CapacityCheck.Of(gpu))
            yield return found;
        if (gpu.Holders?.Where(h => h.ShownByNvml != true).ToArray() is { Length: > 0 } hidden)
        {
            string names = string.Join(", ", hidden.Select(Name))
                + (hidden.Any(h => h.ShownByNvml is null) ? "" : ", which NVML does not show");
            yield return (
                Severity.Note,
                "holders",
                $"Its device file is open in {names}. If the GPU or an instance is in use although no process is on it, restart these.");
        }

        if (gpu.RemappedRows is { Failed: true })
            yield return (Severity.Error, "row-remap-failed", "A bad memory row could not be replaced: have the GPU replaced.");
        if (gpu.RemappedRows is { Pending: true })
            yield return (Severity.Warning, "row-remap-pending", "A bad memory row is replaced at the next GPU reset.");
        if (gpu is { PersistenceMode: false, ChangesMigModeWithoutReset: true, Mig.Current: true })
            yield return (
                Severity.Warning,
                "no-persistence",
                "Persistence mode is off: MIG mode and all instances may be lost when the driver unloads after its last client.");
    }

    /// <summary>
    /// The processes with device files of the GPU or its instances open; null if its minor number, which these files are named by, is
    /// unknown.
    /// </summary>
    private static List<GpuHolderReport>? ClientsOf(GpuReport gpu, HostReport host)
    {
        if (host.Holders is null || gpu.MinorNumber is not { } minor)
            return null;
        string file = string.Create(CultureInfo.InvariantCulture, $"/dev/nvidia{minor}");
        bool showsAll = gpu.Mig?.Current == false || host.Privileges is { CanList: true };
        List<GpuHolderReport> found = [];
        foreach (HolderReport client in host.Holders.Processes)
        {
            int[] instances = [.. client.Capabilities.Select(c => GpuInstanceOf(c, minor)).OfType<int>().Distinct().Order()];
            if (instances.Length == 0 && !client.Files.Contains(file, StringComparer.Ordinal))
                continue;
            bool? isShown = gpu.Processes?.Any(p => p.ProcessId == client.ProcessId);
            found.Add(new GpuHolderReport(
                client.ProcessId,
                client.Name,
                client.Service,
                client.SystemdUnit,
                isShown == false && !showsAll ? null : isShown,
                instances));
        }

        return found;
    }

    /// <summary>A reading that the GPU does not support is no trouble; one that fails is.</summary>
    private static bool IsTrouble(UnreadEntry unread) =>
        unread.Code is not (NvmlReturnCode.NotSupported or NvmlReturnCode.FunctionNotFound);

    /// <summary>The 7 of <c>gpu0/gi7/access</c> and of <c>gpu0/gi7/ci0/access</c>, for GPU minor number 0; otherwise null.</summary>
    private static int? GpuInstanceOf(string capability, int minor) =>
        capability.Split('/') is [var gpu, ['g', 'i', .. var id], ..]
        && gpu == string.Create(CultureInfo.InvariantCulture, $"gpu{minor}")
        && int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? number
            : null;
}
