using Nvml.Mig.Agent.Api;
using Nvml.Mig.Agent.Events;
using Nvml.Mig.Agent.Metrics;
using Nvml.Mig.Leasing;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Page;

/// <summary>Reads what the page shows.</summary>
internal sealed class PageReader(SharedReading leasing, MachineReader machines, UsageHistory usage, EventHub hub)
{
    public async Task<PageContent> ReadAsync()
    {
        LeaseOverview overview = await leasing.ReadAsync();
        MachineReading machine = await machines.ReadAsync();
        usage.Add(machine);
        Dictionary<string, int> slices = overview.Gpus
            .Where(g => g.MemorySlices is not null)
            .ToDictionary(g => g.Uuid, g => g.MemorySlices!.Value, StringComparer.Ordinal);
        return new PageContent(Environment.MachineName, overview, machine, usage, slices, hub.ReadLatest(20));
    }
}
