using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>The report for people: what there is, then what is worth knowing. The JSON has more.</summary>
internal static class DoctorView
{
    private const int Indent = 12;

    /// <summary>Findings that the lines of their GPU say already.</summary>
    private static readonly string[] SaidAbove = ["no-mig"];

    public static void Show(DoctorDocument report)
    {
        if (report.Driver is { } driver)
        {
            Line("Driver", $"{driver.DriverVersion ?? "?"}, NVML {driver.NvmlVersion ?? "?"}, CUDA {driver.CudaVersion ?? "?"}, {driver.Library}");
            int missing = driver.Functions.Count(f => !f.Value);
            Line("Functions", missing == 0 ? $"all {driver.Functions.Count} are there" : $"{driver.Functions.Count - missing} of {driver.Functions.Count} are there");
        }

        Line("System", $"{report.System.OperatingSystem}, {report.System.Kernel}, {report.System.Runtime}, nvmig {report.Nvmig}");
        if (report.Host?.KernelModule is { } module)
            Line("Module", module);
        if (report.Host?.Privileges is { CanChange: true, CanList: true } privileges)
            Line("Privileges", privileges.Explanation); // Others are among the findings.
        if (report.System.Simulated is { } machine && report.Host is null)
            Line("Host", $"not looked at, since the machine {machine} is simulated: who holds a GPU and what this process may do is not known");
        foreach (GpuReport gpu in report.Gpus)
        {
            Terminal.WriteLine();
            Show(gpu);
        }

        Terminal.WriteLine();
        if (report.Findings.All(f => f.Severity == Severity.Note))
            Terminal.WriteLine("Nothing is the matter.");
        foreach (Finding finding in report.Findings.Where(f => !SaidAbove.Contains(f.Code)))
        {
            string color = finding.Severity switch
            {
                Severity.Error => "red",
                Severity.Warning => "yellow",
                _ => "grey",
            };
            string gpu = finding.Gpus.Count == 0 ? "" : $"GPU {string.Join(", ", finding.Gpus)}: ";
            Terminal.WriteLine(color, finding.Severity.ToString().ToLowerInvariant().PadRight(9), gpu + finding.Message);
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
        Line("MIG", gpu.Mig is { } mode ? new MigMode(mode.Current, mode.Pending) + reset : gpu.MigCapable == false ? "not supported" : "cannot be read");
        Line("Board", $"{gpu.Architecture ?? "?"}, VBIOS {gpu.VbiosVersion ?? "not told"}, virtualization {gpu.VirtualizationMode ?? "not told"}, persistence mode {OnOff(gpu.PersistenceMode)}");
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
            { } running => string.Join(", ", running.Select(p => $"{p.ProcessId} ({p.Name ?? "?"}){(p.GpuInstanceId is { } id ? $" on GPU instance {id}" : "")}")),
        });
        if (gpu.Holders is { Count: > 0 } holders)
            Line("Held by", string.Join(", ", holders.Select(Diagnosis.Name)));
        if (gpu.Readiness is { } ready && gpu.MigCapable != false)
        {
            Line("Ready for", $"a change of mode: {Ready(ready.ModeChange)}");
            Line("", $"new instances:    {Ready(ready.Create)}");
            Line("", $"destroying:       {(ready.Destroy.Ready == true && gpu.GpuInstances is { Count: 0 } ? "there is nothing to destroy" : Ready(ready.Destroy))}");
        }
    }

    private static string Ready(ChangeReadiness change)
    {
        string why = change.Obstacles.Count == 0 ? "" : $": {string.Join("; ", change.Obstacles)}";
        return change.Ready switch
        {
            true => "yes",
            false => $"no{why}",
            null => $"not known{why}",
        };
    }

    private static void Line(string label, string text) => Terminal.WriteLine($"  {label.PadRight(Indent)}{text}");

    private static string OnOff(bool? value) => value switch
    {
        true => "on",
        false => "off",
        null => "not told",
    };

    private static long MiB(long bytes) => bytes >> 20;
}
