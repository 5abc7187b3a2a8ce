namespace Nvml.Mig.Monitoring;

/// <summary>
/// Reads what GPUs and MIG devices do: temperature, power, memory, activity, processes, errors. It is cheap, and disturbs nobody: at most
/// one reading a second is made, whoever asks, GPU by GPU, without a native call that stops the machine's other users.
/// </summary>
/// <remarks>
/// <para>
/// Lists of compute instances and MIG devices take the driver's one lock for writing, so a reading does not ask for them. The monitor keeps
/// what it has listed, and lists a GPU again only when the driver reports a change of MIG by an event, the MIG mode has changed, an
/// instance does not answer any more or has another size, or <see cref="ListAgain"/> was called. A GPU that reports no such events is
/// listed every 30 seconds.
/// </para>
/// <para>
/// A reading makes, of each GPU, 5 native calls with MIG enabled: the next event, MIG mode, temperature, power, memory; without MIG one
/// more for the utilization. Of each MIG device it reads the memory. Of each GPU instance, where the GPU has GPM, it makes 4 calls for
/// a sample and what it shows. Processes take the lock for writing, in 3 calls for each GPU and one for each process, and are read only if
/// asked for.
/// </para>
/// <para>
/// A GPU that is lost or fails is a status and no exception. An instance that goes while it is read is left out. For any number of threads
/// at once. Dispose of it before its session.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using GpuMonitor monitor = new(session);
/// foreach (GpuReading gpu in monitor.Read().Gpus)
///     Console.WriteLine($"{gpu.Index}: {gpu.TemperatureCelsius} °C, {gpu.Instances.Count} MIG devices");
/// </code>
/// </example>
public sealed class GpuMonitor : IDisposable
{
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly MonitoredGpu[] _gpus;
    private MachineReading? _last;
    private long _readings;
    private long _lastTimestamp;
    private bool _disposed;

    /// <summary>Begins to watch. Nothing is read yet.</summary>
    /// <param name="session">The session.</param>
    /// <param name="gpus">The GPUs of it; by default all.</param>
    /// <param name="time">The clock; by default the system's.</param>
    public GpuMonitor(NvmlSession session, IEnumerable<GpuDevice>? gpus = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(session);
        _time = time ?? TimeProvider.System;
        _gpus = [.. (gpus ?? session.Devices).OrderBy(gpu => gpu.Index).Select(gpu => new MonitoredGpu(gpu, _time))];
    }

    /// <summary>Readings are at least so far apart: one second. Meanwhile everybody gets the last one.</summary>
    public static TimeSpan Interval { get; } = TimeSpan.FromSeconds(1);

    /// <summary>The machine as it is now, or was within the last second.</summary>
    /// <param name="withProcesses">Whether processes are wanted, which stop the machine's other users for a moment.</param>
    /// <exception cref="ObjectDisposedException">The session or the monitor was closed.</exception>
    public MachineReading Read(bool withProcesses = false)
    {
        long before = Interlocked.Read(ref _readings);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // A reading can take longer than the interval, where a GPU is slow: whoever has waited for it takes it.
            if (_last is null || (_readings == before && _time.GetElapsedTime(_lastTimestamp) >= Interval))
                _last = ReadNow(withProcesses);
            else if (withProcesses && !_last.HasProcesses)
                _last = _last with { HasProcesses = true, Gpus = [.. _last.Gpus.Zip(_gpus, (reading, gpu) => gpu.AddProcesses(reading))] };
            return _last;
        }
    }

    /// <summary>Has the instances listed again by the next reading: for who knows that they have changed.</summary>
    public void ListAgain()
    {
        lock (_lock)
        {
            foreach (MonitoredGpu gpu in _gpus)
                gpu.Doubt();
            _last = null;
        }
    }

    /// <summary>Ends the watching. The last reading stays as it is.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (MonitoredGpu gpu in _gpus)
                gpu.Dispose();
        }
    }

    private MachineReading ReadNow(bool withProcesses)
    {
        using Operation operation = Operation.Start("reading");
        _lastTimestamp = _time.GetTimestamp();
        DateTimeOffset now = _time.GetUtcNow();
        GpuReading[] readings = new GpuReading[_gpus.Length];
        // One GPU after the other: the driver answers fastest so.
        for (int i = 0; i < readings.Length; i++)
        {
            readings[i] = _gpus[i].Read();
            if (withProcesses)
                readings[i] = _gpus[i].AddProcesses(readings[i]);
        }

        Interlocked.Increment(ref _readings);
        return new MachineReading(now, readings, withProcesses);
    }
}
