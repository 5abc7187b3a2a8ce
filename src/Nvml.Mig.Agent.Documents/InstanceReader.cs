using Nvml.Mig.Host;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Documents;

/// <summary>
/// Reads for one document what uses the instances of leases. What cannot be read is null: the lease is shown all the same.
/// </summary>
/// <param name="session">The session.</param>
/// <param name="minors">The device nodes, if they are to be in the document; null: they are not.</param>
public sealed class InstanceReader(NvmlSession session, Func<MigMinors>? minors = null)
{
    /// <summary>Read once for each GPU, however many instances it has.</summary>
    private readonly Dictionary<string, IReadOnlyList<GpuProcess>> _processes = new(StringComparer.Ordinal);
    private MigMinors? _minors;

    /// <summary>Reads an instance.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="lease">The lease that has it; of a fraction, only its own processes and their memory are shown. Null: none has.</param>
    public LeasedInstanceEntry Read(LeasedInstance instance, GrantedLease? lease)
    {
        LeasedInstanceEntry entry = LeasedInstanceEntry.From(instance, lease);
        try
        {
            GpuDevice gpu = session.GetDevice(entry.GpuUuid);
            entry = entry with { GpuIndex = gpu.Index };
            entry = entry with
            {
                Processes = [.. ReadProcesses(gpu).Where(p => p.GpuInstanceId == (instance.IsWholeGpu ? null : instance.GpuInstanceId))
                    .Where(p => lease is null || lease.IsUsedBy(p))
                    .Select(p => new LeaseProcessEntry(p.ProcessId, p.Name, p.UsedMemoryBytes))],
            };
            MigDevice? device = instance.IsWholeGpu ? null : session.GetMigDevice(instance.MigUuid);
            GpuMemory memory = device?.GetMemory() ?? gpu.GetMemory();
            entry = lease?.Fraction?.MemoryLimitMiB is { } limit
                ? entry with
                {
                    UsedMemoryBytes = entry.Processes.All(p => p.UsedMemoryBytes is not null)
                        ? entry.Processes.Sum(p => p.UsedMemoryBytes)
                        : null,
                    TotalMemoryBytes = limit << 20,
                }
                : entry with { UsedMemoryBytes = memory.UsedBytes, TotalMemoryBytes = memory.TotalBytes };
            if (minors is not null && device is not null)
            {
                MigDeviceAccess access = MigDeviceAccess.Find(device, _minors ??= minors());
                entry = entry with { DeviceNodes = [.. access.DeviceNodes.Concat(access.SharedDeviceNodes).Select(n => n.Path)] };
            }
        }
        catch (Exception e) when (e is NvmlException or IOException or UnauthorizedAccessException or KeyNotFoundException)
        {
            // The entry has all that was read before.
        }

        return entry;
    }

    private IReadOnlyList<GpuProcess> ReadProcesses(GpuDevice gpu)
    {
        if (!_processes.TryGetValue(gpu.Uuid, out IReadOnlyList<GpuProcess>? processes))
            _processes[gpu.Uuid] = processes = gpu.GetProcesses();
        return processes;
    }
}
