using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Leasing;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Cli.Top;

/// <summary>The content of <c>top</c> at one time.</summary>
/// <param name="Machine">The GPUs.</param>
/// <param name="Leases">The leases by the UUIDs of their MIG devices, or of their GPUs with MIG disabled.</param>
/// <param name="Fractions">The leases of parts of those that share a device by MPS, with what they use.</param>
/// <param name="Cached">The UUIDs of instances that leasing has and nobody leases.</param>
/// <param name="Waiting">The claims that wait.</param>
/// <param name="Notice">Why leases are not shown; null if they are, or there are none.</param>
internal sealed record TopReading(
    MachineReading Machine,
    IReadOnlyDictionary<string, LeaseEntry> Leases,
    IReadOnlyList<LeaseEntry> Fractions,
    IReadOnlySet<string> Cached,
    IReadOnlyList<WaitingClaimEntry> Waiting,
    string? Notice)
{
    public IEnumerable<LeaseEntry> FractionsOf(LeaseEntry? device) =>
        Fractions.Where(f => device is not null && f.Fraction!.Device == device.Id);
}

/// <summary>Reads the GPUs, and leases: of the agent, or else of their book. As far as they can be read.</summary>
internal sealed class TopReader(
    NvmlSession session, IReadOnlyList<GpuDevice> gpus, string journalFolder, TimeProvider? time = null, ILeases? agent = null)
    : IDisposable
{
    private readonly GpuMonitor _monitor = new(session, gpus, time);
    private LeaseReader? _book;

    public TopReading Read()
    {
        MachineReading machine = _monitor.Read(withProcesses: true);
        Dictionary<string, LeaseEntry> leases = new(StringComparer.Ordinal);
        HashSet<string> cached = new(StringComparer.Ordinal);
        IReadOnlyList<LeaseEntry> fractions = [];
        IReadOnlyList<WaitingClaimEntry> waiting = [];
        string? notice = null;
        try
        {
            StandDocument stand = ReadStand();
            fractions = [.. stand.Leases.Where(l => l.Fraction is { Backend: SharingBackend.Mps })];
            // A device that is shared by MPS has the lease of its own, not one of its fractions.
            foreach (LeaseEntry lease in stand.Leases.Except(fractions))
            {
                foreach (LeasedInstanceEntry instance in lease.Instances)
                    leases[instance.MigUuid] = lease;
            }

            cached.UnionWith(stand.Gpus.SelectMany(g => g.Idle).Select(i => i.MigUuid));
            waiting = stand.Waiting;
        }
        catch (LeaseException e) when (e.Error == LeaseError.NotFound)
        {
            // Nothing is leased on this machine; that can change.
        }
        catch (LeaseException e)
        {
            notice = e.InnerException is UnauthorizedAccessException
                ? $"Leases are not shown: only root may read {journalFolder}, and no agent answers."
                : $"Leases are not shown: {e.Message}";
        }

        return new TopReading(machine, leases, fractions, cached, waiting, notice);
    }

    /// <summary>Whether a GPU measures activity, so that a second reading shows more than the first.</summary>
    public static bool MeasuresActivity(TopReading reading, IEnumerable<GpuDevice> gpus) =>
        reading.Machine.Gpus.Zip(gpus.OrderBy(gpu => gpu.Index)).Any(g => g.First.Instances.Count > 0 && HasGpm(g.Second));

    public void Dispose()
    {
        _monitor.Dispose();
        _book?.Dispose();
        agent?.Dispose();
    }

    private StandDocument ReadStand()
    {
        if (agent is not null)
            return agent.ReadAsync(usage: true, CancellationToken.None).GetAwaiter().GetResult();
        _book ??= LeaseReader.Open(new LeaseOptions { JournalFolder = journalFolder });
        InstanceReader reader = new(session);
        // The reading of the machine has the processes of devices, and not which fraction they are of.
        return StandDocument.From(
            _book.Read(),
            (instance, lease) => lease?.Fraction is { Backend: SharingBackend.Mps }
                ? reader.Read(instance, lease)
                : LeasedInstanceEntry.From(instance, lease));
    }

    private static bool HasGpm(GpuDevice gpu)
    {
        try
        {
            return gpu.IsGpmSupported();
        }
        catch (NvmlException)
        {
            return false;
        }
    }
}
