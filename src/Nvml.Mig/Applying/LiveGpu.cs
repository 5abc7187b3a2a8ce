namespace Nvml.Mig.Applying;

/// <summary>A GPU as it stands now, as far as we know, while we change it.</summary>
internal sealed class LiveGpu(GpuDevice gpu, ApplyContext context)
{
    private LiveLayout? _layout;

    public GpuDevice Gpu => gpu;

    public GpuGeometry Geometry { get; set; } = GpuGeometry.Empty;

    /// <summary>The GPU instances whose processes are waited for; null: all.</summary>
    public IReadOnlyCollection<int>? WaitFor { get; set; } = [];

    /// <summary>Whether services were stopped for a step of this GPU: for each that is tried once.</summary>
    public bool HasQuiesced { get; set; }

    /// <summary>The objects of the public API that change the GPU.</summary>
    public LiveLayout Layout => _layout ?? throw new InvalidOperationException($"{gpu} was not read.");

    /// <summary>The ids of the instances that are promised to somebody, and the names of the leases.</summary>
    public IReadOnlyDictionary<int, string> Promised => Snapshot.Instances
        .Select(i => (Id: i.Id!.Value, Promise: PromisedInstance.Find(context.Promised, gpu.Uuid, i.Profile.Id, i.Placement)))
        .Where(i => i.Promise is not null)
        .ToDictionary(i => i.Id, i => i.Promise!.Lease);

    /// <summary>Why the mode must stay: somebody leases the whole GPU. Null if nobody does.</summary>
    public NvmlInUseException? LeasedWhole => PromisedInstance.RefuseWhole(context.Promised, gpu);

    public GpuSnapshot Snapshot => Layout.ToSnapshot(Geometry);

    /// <summary>Reads the GPU. A read that fails changes nothing: it is repeated once in any case, and as long as that may help.</summary>
    public async Task ReadAsync(SnapshotParts parts, CancellationToken cancellationToken = default)
    {
        Retry retry = context.StartRetry();
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                _layout = LiveLayout.Read(gpu, parts);
                return;
            }
            catch (NvmlException e) when (attempt == 1 || retry.IsWorthwhile(e))
            {
                if (e.IsTransient && !await context.WaitAsync(retry.NextDelay(), cancellationToken).ConfigureAwait(false))
                    throw;
            }
        }
    }
}
