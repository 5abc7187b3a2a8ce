namespace Nvml.Mig.Monitoring;

/// <summary>A GPU that is read again and again. Used by one thread at a time.</summary>
internal sealed class MonitoredGpu(GpuDevice gpu, TimeProvider time) : IDisposable
{
    /// <summary>How often a GPU is listed that reports no changes of MIG.</summary>
    private static readonly TimeSpan ListInterval = TimeSpan.FromSeconds(30);

    /// <summary>Readings that the GPU does not have, or does not show us: not asked for again until it is listed again.</summary>
    private readonly HashSet<string> _absent = new(StringComparer.Ordinal);

    private readonly XidCounts _xids = new();
    private List<MonitoredInstance> _instances = [];
    private bool _isDoubtful = true;
    private long _listed;
    private NvmlException? _error;
    private MigMode? _mode;
    private GpuEventWatcher? _watcher;

    /// <summary>Whether the GPU was asked to report changes; false is an answer too.</summary>
    private bool _hasAskedForEvents;

    private bool? _hasGpm;

    public void Doubt() => _isDoubtful = true;

    public GpuReading Read()
    {
        try
        {
            return ReadAnswering();
        }
        catch (NvmlException e)
        {
            // When it is back, it can have been reset: the instances are others, and events must be asked for anew.
            Dispose();
            _watcher = null;
            _hasAskedForEvents = false;
            _isDoubtful = true;
            _instances = [];
            return new GpuReading(gpu.Index, e.Code == NvmlReturnCode.GpuIsLost ? GpuStatus.Lost : GpuStatus.Failing)
            {
                Uuid = KnownUuid,
                Name = KnownName,
                Error = e,
                Xids = _xids.ToList(),
            };
        }
    }

    /// <summary>The same with the processes: one list for the GPU, which names the instance of each.</summary>
    public GpuReading AddProcesses(GpuReading reading)
    {
        if (reading.Status != GpuStatus.Ok || !TryRead("processes", gpu.GetProcesses, out IReadOnlyList<GpuProcess>? processes))
            return reading;
        return reading with
        {
            Processes = processes,
            Instances = [.. reading.Instances.Select(i => i with
            {
                Processes = [.. processes.Where(p =>
                    p.GpuInstanceId == i.GpuInstanceId && (p.ComputeInstanceId ?? i.ComputeInstanceId) == i.ComputeInstanceId)],
            })],
        };
    }

    public void Dispose()
    {
        _watcher?.Dispose();
        foreach (MonitoredInstance instance in _instances)
            instance.Dispose();
    }

    private string? KnownUuid { get; set; }

    private string? KnownName { get; set; }

    private GpuReading ReadAnswering()
    {
        TakeEvents();
        MigMode? mode = gpu.TryGetMigMode();
        KnownUuid = gpu.Uuid;
        KnownName = gpu.Name;
        bool isOld = _watcher is null && mode is { Current: true } && time.GetElapsedTime(_listed) >= ListInterval;
        if (_isDoubtful || mode != _mode || isOld)
            List(mode);
        int? temperature = TryRead("temperature", () => gpu.GetTemperatureCelsius());
        double? power = TryRead("power", () => gpu.GetPowerUsageWatts());
        GpuMemory? memory = TryRead("memory", gpu.GetMemory);
        double? utilization = mode is { Current: true } ? null : TryRead("utilization", () => gpu.GetUtilization().GpuPercent / 100.0);
        return new GpuReading(gpu.Index, GpuStatus.Ok)
        {
            Uuid = KnownUuid,
            Name = KnownName,
            Error = _error,
            Mode = mode,
            TemperatureCelsius = temperature,
            PowerWatts = power,
            Memory = memory,
            Utilization = utilization,
            Instances = ReadInstances(),
            Xids = _xids.ToList(),
        };
    }

    private void TakeEvents()
    {
        if (!_hasAskedForEvents)
        {
            try
            {
                _watcher = gpu.Session.WatchEvents(GpuEventKinds.MigConfigChange | GpuEventKinds.Xid, [gpu]);
                _isDoubtful = true; // Whatever happened before, nobody told.
            }
            catch (NvmlException e) when (e.Code != NvmlReturnCode.GpuIsLost)
            {
                // It is listed from time to time.
            }

            _hasAskedForEvents = true;
        }

        while (_watcher is not null && _watcher.TryTake(out GpuEvent happened))
        {
            if (happened.Xid is { } xid)
            {
                _xids.Add(xid);
                _instances.Find(i => i.IsMeantBy(happened))?.Xids.Add(xid);
            }
            else
            {
                _isDoubtful = true;
            }
        }
    }

    /// <summary>Lists the MIG devices. What is known of those that are still there stays.</summary>
    private void List(MigMode? mode)
    {
        List<MonitoredInstance> before = _instances;
        _instances = [];
        _absent.Clear();
        _error = null;
        (_mode, _listed) = (mode, time.GetTimestamp());
        try
        {
            if (mode is { Current: true })
            {
                IReadOnlyList<GpuInstance> gpuInstances = gpu.GetGpuInstances();
                foreach (MigDevice device in gpuInstances.Count == 0 ? [] : gpu.GetMigDevices())
                {
                    // One that came between the two lists is known by an event, and listed by the next reading.
                    if (gpuInstances.FirstOrDefault(i => i.Id == device.GpuInstanceId) is not { } inside)
                        continue;
                    _instances.Add(before.Find(i => i.IsSame(device, inside)) ?? new MonitoredInstance(device, inside));
                }
            }

            _isDoubtful = false;
        }
        catch (NvmlException e) when (e.Code != NvmlReturnCode.GpuIsLost)
        {
            _error = e;
            // Not at each reading: it is a call that stops others. The next event, or the next interval.
            _isDoubtful = e is NvmlNotFoundException;
        }
        finally
        {
            foreach (MonitoredInstance gone in before.Except(_instances))
                gone.Dispose();
        }
    }

    private List<InstanceReading> ReadInstances()
    {
        List<InstanceReading> readings = [];
        Dictionary<int, InstanceActivity?> activities = [];
        foreach (MonitoredInstance instance in _instances)
        {
            try
            {
                int id = instance.Device.GpuInstanceId;
                GpuMemory memory = instance.Device.GetMemory();
                // Another instance can have been created in its place.
                _isDoubtful |= instance.HasOtherSize(memory);
                if (!activities.TryGetValue(id, out InstanceActivity? activity))
                    activities[id] = activity = ReadActivity(instance);
                readings.Add(instance.ToReading(memory) with { Activity = activity });
            }
            catch (NvmlException e) when (e.Code != NvmlReturnCode.GpuIsLost)
            {
                _isDoubtful = true;
            }
        }

        return readings;
    }

    /// <summary>Null where it is not to be had, which says nothing against the instance. One that is gone is not caught here.</summary>
    private InstanceActivity? ReadActivity(MonitoredInstance instance)
    {
        const string name = "activity";
        if (_absent.Contains(name))
            return null;
        try
        {
            return (_hasGpm ??= gpu.IsGpmSupported()) ? instance.ReadActivity(time) : null;
        }
        catch (NvmlException e) when (e.Code is not (NvmlReturnCode.GpuIsLost or NvmlReturnCode.NotFound or NvmlReturnCode.InvalidArgument))
        {
            if (IsLasting(e))
                _absent.Add(name);
            return null;
        }
    }

    private T? TryRead<T>(string name, Func<T> read)
        where T : struct => TryRead(name, read, out T value) ? value : null;

    /// <summary>False where the GPU does not have it or does not show it to us.</summary>
    private bool TryRead<T>(string name, Func<T> read, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out T? value)
    {
        value = default;
        if (_absent.Contains(name))
            return false;
        try
        {
            value = read()!;
            return true;
        }
        catch (NvmlException e) when (e.Code != NvmlReturnCode.GpuIsLost)
        {
            if (IsLasting(e))
                _absent.Add(name);
            return false;
        }
    }

    private static bool IsLasting(NvmlException e) =>
        e.Code is NvmlReturnCode.NotSupported or NvmlReturnCode.NoPermission or NvmlReturnCode.FunctionNotFound;
}
