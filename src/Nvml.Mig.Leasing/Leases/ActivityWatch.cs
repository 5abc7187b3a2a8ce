namespace Nvml.Mig.Leasing.Leases;

/// <summary>
/// Measures since when leased instances compute nothing though processes hold them, by the counters of the GPU (GPM: Hopper and newer).
/// A process knows only what it has measured itself: what it has not seen is not known, and counts as busy.
/// </summary>
internal sealed class ActivityWatch(PoolGpus gpus) : IDisposable
{
    /// <summary>In per cent, on average between two looks. A program that waits is at 0; the rest is for drivers that round up.</summary>
    private const double QuietBelow = 1;

    /// <summary>NVIDIA asks for 100 ms between two samples. Turns can follow each other faster.</summary>
    private static readonly TimeSpan ShortestWindow = TimeSpan.FromSeconds(1);

    private readonly Dictionary<(long Generation, string Instance), Window> _windows = [];

    /// <summary>Since when all instances of a lease have been quiet; null: one is busy, or that is not known.</summary>
    public DateTimeOffset? QuietSince(GrantedLease lease, IEnumerable<InstanceEntry> instances, DateTimeOffset now)
    {
        DateTimeOffset? latest = null;
        foreach (InstanceEntry instance in instances)
        {
            if (QuietSince((lease.Generation, instance.Key), instance, now) is not { } since)
                return null;
            if (latest is null || since > latest)
                latest = since;
        }

        return latest;
    }

    /// <summary>Forgets the leases that are not watched any more.</summary>
    public void KeepOnly(IReadOnlySet<long> generations)
    {
        foreach (((long generation, string instance) key, Window window) in _windows.Where(w => !generations.Contains(w.Key.Generation)))
        {
            window.Last.Dispose();
            _windows.Remove(key);
        }
    }

    public void Dispose() => KeepOnly(new HashSet<long>());

    private DateTimeOffset? QuietSince((long Generation, string Instance) key, InstanceEntry instance, DateTimeOffset now)
    {
        Window? before = _windows.GetValueOrDefault(key);
        if (now - before?.Taken < ShortestWindow)
            return before!.QuietSince;
        GpmSample? sample = Sample(instance);
        DateTimeOffset? since = null;
        if (before is not null)
        {
            if (sample is not null && IsQuiet(before.Last, sample))
                since = before.QuietSince ?? before.Taken;
            before.Last.Dispose();
            _windows.Remove(key);
        }

        if (sample is not null)
            _windows[key] = new Window(sample, now, since);
        return since;
    }

    /// <summary>Null if the GPU does not measure it, or does not answer.</summary>
    private GpmSample? Sample(InstanceEntry instance)
    {
        try
        {
            GpuDevice device = gpus.GetDevice(instance.Place.Gpu);
            return device.IsGpmSupported() ? device.GetGpuInstance(instance.GpuInstanceId).TakeGpmSample() : null;
        }
        catch (NvmlException)
        {
            return null;
        }
    }

    /// <summary>The bandwidth too: copies and video engines are no computing, and go through the memory.</summary>
    private static bool IsQuiet(GpmSample before, GpmSample now)
    {
        try
        {
            IReadOnlyList<GpmMetricValue> values = now.GetMetricsSince(
                before, GpmMetric.GraphicsUtilization, GpmMetric.DramBandwidthUtilization);
            return values[0] is { Code: NvmlReturnCode.Success, Value: < QuietBelow }
                && values[1] is { Code: not NvmlReturnCode.Success } or { Value: < QuietBelow };
        }
        catch (Exception e) when (e is NvmlException or ArgumentException)
        {
            return false; // An instance made anew in the same place is another one.
        }
    }

    private sealed record Window(GpmSample Last, DateTimeOffset Taken, DateTimeOffset? QuietSince);
}
