using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Page;

/// <summary>
/// How much of memory and engines the MIG devices used over the last hour. One that is gone is forgotten with the next reading.
/// </summary>
internal sealed class UsageHistory
{
    /// <summary>An hour, at one point in 20 seconds: as many as a small picture has columns for.</summary>
    private const int Points = 180;

    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(20);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Queue<UsagePoint>> _points = new(StringComparer.Ordinal);
    private DateTimeOffset _last;

    /// <summary>Adds a reading, if the last one is old enough. What a reading does not have is forgotten.</summary>
    public void Add(MachineReading reading)
    {
        lock (_lock)
        {
            if (reading.Time < _last + Interval)
                return;
            _last = reading.Time;
            InstanceReading[] instances = [.. reading.Gpus.SelectMany(g => g.Instances)];
            foreach (string gone in _points.Keys.Except(instances.Select(i => i.Uuid), StringComparer.Ordinal).ToArray())
                _points.Remove(gone);
            foreach (InstanceReading instance in instances)
            {
                if (!_points.TryGetValue(instance.Uuid, out Queue<UsagePoint>? points))
                    _points[instance.Uuid] = points = new Queue<UsagePoint>();
                points.Enqueue(new UsagePoint(reading.Time, Share(instance.Memory), instance.Activity?.Engine));
                while (points.Count > Points)
                    points.Dequeue();
            }
        }
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _points.Clear();
            _last = default;
        }
    }

    /// <summary>The points of a MIG device, the oldest first.</summary>
    public IReadOnlyList<UsagePoint> Of(string migUuid)
    {
        lock (_lock)
            return _points.TryGetValue(migUuid, out Queue<UsagePoint>? points) ? [.. points] : [];
    }

    /// <summary>The part of the memory that is used, from 0 to 1.</summary>
    public static double Share(GpuMemory memory) => memory.TotalBytes == 0 ? 0 : (double)memory.UsedBytes / memory.TotalBytes;
}

/// <summary>The use of a MIG device at one time.</summary>
/// <param name="Time">When.</param>
/// <param name="Memory">Of its memory, from 0 to 1.</param>
/// <param name="Activity">Of its engines' time, from 0 to 1; null where the GPU does not measure it.</param>
internal readonly record struct UsagePoint(DateTimeOffset Time, double Memory, double? Activity);
