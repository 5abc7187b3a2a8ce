using Spectre.Console;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>The report for people: what there is, then what is worth knowing. The JSON has more.</summary>
internal static class DoctorView
{
    private const int Indent = 12;

    public static void Show(DoctorDocument report)
    {
        IAnsiConsole console = Machine.CreateConsole();
        if (report.Driver is { } driver)
        {
            Line("Driver", $"{driver.DriverVersion ?? "?"}, NVML {driver.NvmlVersion ?? "?"}, CUDA {driver.CudaVersion ?? "?"}, {driver.Library}");
            int missing = driver.Functions.Count(f => !f.Value);
            Line("Functions", missing == 0 ? $"all {driver.Functions.Count} are there" : $"{driver.Functions.Count - missing} of {driver.Functions.Count} are there");
        }

        Line("System", $"{report.System.OperatingSystem}, {report.System.Runtime}, nvmig {report.Nvmig}");
        if (report.Privileges is { } privileges)
            Line("Privileges", privileges.Explanation);
        if (report.System.Simulated is { } machine && report.Holders is null)
            Line("Host", $"not looked at: the machine {machine} is simulated");
        foreach (GpuReport gpu in report.Gpus)
        {
            Console.Out.WriteLine();
            Show(gpu);
        }

        Console.Out.WriteLine();
        if (report.Findings.Count == 0)
            Console.Out.WriteLine("Nothing is the matter.");
        foreach (Finding finding in report.Findings)
        {
            string color = finding.Severity switch
            {
                Severity.Error => "red",
                Severity.Warning => "yellow",
                _ => "grey",
            };
            string gpu = finding.Gpu is { } index ? $"GPU {index}: " : "";
            console.Markup($"[{color}]{finding.Severity.ToString().ToLowerInvariant(),-7}[/]  ");
            Console.Out.WriteLine(gpu + finding.Message);
        }
    }

    private static void Show(GpuReport gpu)
    {
        Console.Out.WriteLine($"GPU {gpu.Index}  {gpu.Name ?? "does not answer"}  {gpu.PciBusId}  {gpu.Uuid}");
        if (gpu.Error is not null)
            return;
        string reset = gpu.ChangesMigModeWithoutReset switch
        {
            true => ", changes without a reset",
            false => ", changes with a GPU reset",
            null => "",
        };
        Line("MIG", gpu.Mig is { } mode ? new MigMode(mode.Current, mode.Pending) + reset : "not supported");
        Line("Board", $"{gpu.Architecture ?? "?"}, VBIOS {gpu.VbiosVersion ?? "not told"}, virtualization {gpu.VirtualizationMode ?? "not told"}, persistence mode {OnOff(gpu.PersistenceMode)}");
        if (gpu.Memory is { } memory)
            Line("Memory", $"{MiB(memory.UsedBytes)} used of {MiB(memory.TotalBytes)} MiB");
        if (gpu.GpuInstances is { } instances)
            Line("Instances", instances.Count == 0 ? "none" : string.Join(", ", instances.Select(i => $"{i.Id} ({i.Profile}, {i.ComputeInstances.Count} compute)")));
        Line("Processes", gpu.Processes switch
        {
            null => "cannot be read",
            { Count: 0 } => "none",
            { } running => string.Join(", ", running.Select(p => $"{p.ProcessId} ({p.Name ?? "?"}){(p.GpuInstanceId is { } id ? $" on GPU instance {id}" : "")}")),
        });
        if (gpu.HiddenHolders is { Count: > 0 } hidden)
            Line("Held by", string.Join(", ", hidden.Select(h => $"{h.ProcessId} ({h.Service ?? h.Name})")));
        Line("Ready", gpu.ReadyForChange ? "yes, for a change of MIG" : $"no: {string.Join(" ", gpu.Obstacles)}");
    }

    private static void Line(string label, string text) => Console.Out.WriteLine($"  {label.PadRight(Indent)}{text}");

    private static string OnOff(bool? value) => value switch
    {
        true => "on",
        false => "off",
        null => "not told",
    };

    private static long MiB(long bytes) => bytes >> 20;
}
