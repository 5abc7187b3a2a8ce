using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Leases;

/// <summary>How leases are shown.</summary>
internal static class LeaseView
{
    public static void ShowList(LeaseListDocument list)
    {
        if (list.Leases.Count == 0)
            Terminal.WriteLine("No leases.");
        else
            ShowLeases(list.Leases);
        if (list.Waiting.Count > 0)
        {
            Terminal.WriteLine();
            TextTable table = new(">#", "Waiting", "Queue", "Owner", "Wants", "Why");
            foreach (WaitingClaimEntry w in list.Waiting)
                table.Add($"{w.Position}", w.Id, w.Queue, Owner(w.Uid, w.Label), w.Requests, w.Message);
            Terminal.Write(table);
        }

        foreach (GpuEntry gpu in list.Gpus)
        {
            foreach (LeasedInstanceEntry idle in gpu.Idle)
            {
                string state = idle switch
                {
                    { Quarantine: { } why } => $"put aside: {why}",
                    { Processes.Count: > 0 } => "in use without a lease",
                    _ => "cached",
                };
                Terminal.WriteLine($"GPU {gpu.Index}: {idle.Profile} at {Place(idle)}, {state}");
            }

            if (gpu.Foreign.Count > 0)
            {
                string places = string.Join(", ", gpu.Foreign.Select(f => new Placement(f.Start, f.Size)));
                Terminal.WriteLine($"GPU {gpu.Index}: not leasing's, left alone: at {places}");
            }

            if (gpu.Problem is { } problem)
                Terminal.WriteLine($"GPU {gpu.Index} gets nothing new: {problem}");
        }
    }

    public static void Show(LeaseEntry lease)
    {
        Terminal.WriteLine($"{lease.Id}, generation {lease.Generation}, queue {lease.Queue}, owner {Owner(lease.Uid, lease.Label)}");
        Terminal.WriteLine($"  since {lease.Since:u}, until {Until(lease)}");
        if (lease.Ending is { } ending)
            Terminal.WriteLine($"  ends ({ending.Reason}): {ending.Message}{(ending.GoneBy is { } by ? $" Must be gone by {by:u}." : "")}");
        foreach (LeasedInstanceEntry i in lease.Instances)
        {
            Terminal.WriteLine($"  {i.Profile} at {Place(i)} of GPU {i.GpuIndex?.ToString(CultureInfo.InvariantCulture) ?? i.GpuUuid}, "
                + $"GPU instance {i.GpuInstanceId}, compute instance {i.ComputeInstanceId}");
            Terminal.WriteLine($"    {i.MigUuid}, memory {Memory([i])}, processes {Processes([i])}");
            if (i.Quarantine is { } why)
                Terminal.WriteLine($"    put aside: {why}");
            if (i.DeviceNodes is { Count: > 0 } nodes)
                Terminal.WriteLine($"    {string.Join(' ', nodes)}");
        }

        if (lease.Fraction is { } fraction)
            Terminal.WriteLine($"  a part of {fraction.Device}: {Part(fraction)}");
        foreach ((string name, string value) in lease.Environment)
            Terminal.WriteLine($"  {name}={value}");
    }

    private static void ShowLeases(IReadOnlyList<LeaseEntry> leases)
    {
        TextTable table = new("Lease", "Queue", "Owner", "Instances", "Until", ">Processes", ">Memory", "State");
        // Fractions behind the device that they are of.
        foreach (LeaseEntry lease in leases.Where(l => l.Fraction is null)
            .SelectMany(l => (LeaseEntry[])[l, .. leases.Where(f => f.Fraction?.Device == l.Id)]))
        {
            string instances = lease.Fraction is { } part
                ? Part(part)
                : string.Join(", ", lease.Instances.Select(i => i.GpuInstanceId < 0
                    ? $"{i.GpuIndex}: {i.Profile}"
                    : $"{i.GpuIndex}: {i.Profile} at {Place(i)}"));
            table.Add(
                (lease.Fraction is null ? "" : "  ") + lease.Id, lease.Queue, Owner(lease.Uid, lease.Label), instances, Until(lease),
                Processes(lease.Instances), Memory(lease.Instances), State(lease));
        }

        Terminal.Write(table);
    }

    private static string State(LeaseEntry lease) => lease switch
    {
        { Ending.Reason: var reason } => $"ends ({reason})",
        _ when lease.Instances.FirstOrDefault(i => i.Quarantine is not null) is { Quarantine: var why } => $"fault: {why}",
        { IdleSince: { } since } => $"idle since {since:u}",
        _ when lease.Instances.Any(i => i.Processes is null) => "unknown",
        { IsOverRequest: true } => string.Create(
            CultureInfo.InvariantCulture,
            $"{(lease.Instances[0].UsedMemoryBytes >> 20) - lease.Fraction!.MemoryRequestMiB} MiB over its request"),
        _ => lease.Instances.Any(i => i.Processes!.Count > 0) ? "busy" : "idle",
    };

    /// <summary><c>25% (at most 100%), 20 GiB</c></summary>
    private static string Part(FractionEntry part)
    {
        if (part.Backend == SharingBackend.ComputeInstances)
            return string.Create(CultureInfo.InvariantCulture, $"{part.ComputeSlices} compute slice{(part.ComputeSlices == 1 ? "" : "s")}");
        string most = part.ComputeLimit == part.ComputeRequest ? "" : string.Create(
            CultureInfo.InvariantCulture, $" (at most {part.ComputeLimit:0.#}%)");
        string memory = part.MemoryLimitMiB == part.MemoryRequestMiB ? "" : string.Create(
            CultureInfo.InvariantCulture, $" (at most {part.MemoryLimitMiB} MiB)");
        return string.Create(CultureInfo.InvariantCulture, $"{part.ComputeRequest:0.#}%{most}, {part.MemoryRequestMiB} MiB{memory}");
    }

    private static string Until(LeaseEntry lease) => (lease.ProcessId, lease.Expires) switch
    {
        ({ } pid, null) => string.Create(CultureInfo.InvariantCulture, $"process {pid} ends"),
        ({ } pid, { } time) => string.Create(CultureInfo.InvariantCulture, $"process {pid} ends or {time:u}"),
        (null, { } time) => string.Create(CultureInfo.InvariantCulture, $"{time:u}"),
        _ => "released",
    };

    private static string Owner(uint uid, string? label) => new LeaseOwner(uid, label).ToString();

    private static string Place(LeasedInstanceEntry i) => new Placement(i.Start, i.Size).ToString();

    private static string Processes(IReadOnlyList<LeasedInstanceEntry> instances) =>
        instances.Any(i => i.Processes is null)
            ? "?"
            : instances.Sum(i => i.Processes!.Count).ToString(CultureInfo.InvariantCulture);

    private static string Memory(IReadOnlyList<LeasedInstanceEntry> instances) =>
        instances.Any(i => i.UsedMemoryBytes is null)
            ? "?"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{instances.Sum(i => i.UsedMemoryBytes!.Value) >> 20} of {instances.Sum(i => i.TotalMemoryBytes!.Value) >> 20} MiB");
}
