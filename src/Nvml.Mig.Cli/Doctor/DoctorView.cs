using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>The report for people: first the readings, then the findings. The JSON has more.</summary>
internal static class DoctorView
{
    private const int Indent = 12;

    /// <summary>Findings that the lines of their GPU already show.</summary>
    private static readonly string[] SaidAbove = ["no-mig"];

    public static void Show(DoctorDocument report)
    {
        if (report.Driver is { } driver)
        {
            Line(
                "Driver",
                $"{driver.DriverVersion ?? "?"}, NVML {driver.NvmlVersion ?? "?"}, CUDA {driver.CudaVersion ?? "?"}, {driver.Library}");
            int missing = driver.Functions.Count(f => !f.Value);
            Line(
                "Functions",
                missing == 0
                    ? $"all {driver.Functions.Count} found"
                    : $"{driver.Functions.Count - missing} of {driver.Functions.Count} found");
        }

        Line("System", $"{report.System.OperatingSystem}, {report.System.Kernel}, {report.System.Runtime}, nvmig {report.Nvmig}");
        if (report.Host?.KernelModule is { } module)
            Line("Module", module);
        if (report.Host?.Privileges is { CanChange: true, CanList: true } privileges)
            Line("Privileges", privileges.Explanation); // Otherwise a finding has it.
        if (report.System.Simulated is { } machine && report.Host is null)
            Line(
                "Host",
                $"not examined, since the machine {machine} is simulated: the clients of GPUs and the privileges of this process are "
                    + "unknown");
        foreach (SharingReport sharing in report.Sharing ?? [])
            Line(sharing == report.Sharing![0] ? "Fractions" : "", $"{sharing.Backend}: {sharing.Problem ?? sharing.Enforces}");
        foreach (GpuReport gpu in report.Gpus)
        {
            Terminal.WriteLine();
            Show(gpu);
        }

        Terminal.WriteLine();
        if (report.Findings.All(f => f.Severity == Severity.Note))
            Terminal.WriteLine("No problem found.");
        foreach (Finding finding in report.Findings.Where(f => !SaidAbove.Contains(f.Code)))
        {
            string color = finding.Severity switch
            {
                Severity.Error => "red",
                Severity.Warning => "yellow",
                _ => "grey",
            };
            string gpu = finding.Gpus.Count == 0 ? "" : $"GPU {string.Join(", ", finding.Gpus)}: ";
            Terminal.WriteLine(color, $"{finding.Severity.ToString().ToLowerInvariant(),-7}", $"  {gpu}{finding.Message}");
        }
    }

    private static void Show(GpuReport gpu)
    {
        Terminal.WriteLine($"GPU {gpu.Index}  {gpu.Name ?? "does not answer"}  {gpu.PciBusId}  {gpu.Uuid}");
        if (gpu.Uuid is null)
            return;
        string reset = gpu.ChangesMigModeWithoutReset switch
        {
            true => ", changes without a reset",
            false => ", changes with a GPU reset",
            null => "",
        };
        string noMode = gpu.MigCapable == false ? "not supported" : "cannot be read";
        Line("MIG", gpu.Mig is { } mode ? new MigMode(mode.Current, mode.Pending) + reset : noMode);
        string board =
            $"{gpu.Architecture ?? "?"}, VBIOS {gpu.VbiosVersion ?? "unknown"}, virtualization {gpu.VirtualizationMode ?? "unknown"}";
        Line("Board", $"{board}, persistence mode {OnOff(gpu.PersistenceMode)}");
        if (gpu.Memory is { } memory)
            Line("Memory", $"{MiB(memory.UsedBytes)} used of {MiB(memory.TotalBytes)} MiB");
        if (gpu.MigCapable != false)
        {
            Line("Instances", gpu.GpuInstances switch
            {
                null => "cannot be read",
                { Count: 0 } => "none",
                { } instances => string.Join(", ", instances.Select(i => $"{i.Id} ({i.Profile}, {i.ComputeInstances.Count} compute)")),
            });
        }

        Line("Processes", gpu.Processes switch
        {
            null => "cannot be read",
            { Count: 0 } => "none",
            { } running => string.Join(", ", running.Select(p =>
                $"{p.ProcessId} ({p.Name ?? "?"}){(p.GpuInstanceId is { } id ? $" on GPU instance {id}" : "")}")),
        });
        if (gpu.Holders is { Count: > 0 } clients)
            Line("Held by", string.Join(", ", clients.Select(Diagnosis.Name)));
        if (gpu.Readiness is { } ready && gpu.MigCapable != false)
        {
            bool isEmpty = ready.Destroy.Ready == true && gpu.GpuInstances is { Count: 0 };
            Line("Ready for", $"a change of mode: {Ready(ready.ModeChange)}");
            Line("", $"new instances:    {Ready(ready.Create)}");
            Line("", $"destroying:       {(isEmpty ? "there is nothing to destroy" : Ready(ready.Destroy))}");
        }
    }

    private static string Ready(ChangeReadiness change)
    {
        string why = change.Obstacles.Count == 0 ? "" : $": {string.Join("; ", change.Obstacles)}";
        return change.Ready switch
        {
            true => "yes",
            false => $"no{why}",
            null => $"unknown{why}",
        };
    }

    private static void Line(string label, string text) => Terminal.WriteLine($"  {label.PadRight(Indent)}{text}");

    private static string OnOff(bool? value) => value switch
    {
        true => "on",
        false => "off",
        null => "unknown",
    };

    private static long MiB(long bytes) => bytes >> 20;
}
