using System.Diagnostics.Metrics;
using System.Globalization;
using Tag = System.Collections.Generic.KeyValuePair<string, object?>;

namespace Nvml.Mig.Monitoring;

/// <summary>
/// Publishes the readings of a monitor as metrics of the meter <see cref="NvmlTelemetry.SourceName"/>, by OpenTelemetry's conventions:
/// docs/metrics.md lists them. A GPU's values include those of its instances, which name it as their parent. An instance has values as
/// long as it exists.
/// </summary>
/// <example>
/// <code>
/// using GpuMonitor monitor = new(session);
/// using GpuMetrics metrics = new(monitor); // and AddMeter(NvmlTelemetry.SourceName) for OpenTelemetry
/// </code>
/// </example>
public sealed class GpuMetrics : IDisposable
{
    private readonly RenewedMeter _meter;
    private readonly GpuMonitor _monitor;
    private readonly Func<InstanceReading, IEnumerable<Tag>>? _describe;
    private readonly Func<InstanceReading, bool>? _isFit;

    /// <summary>Begins to publish.</summary>
    /// <param name="monitor">The monitor. It is asked when somebody collects the metrics. The caller disposes of it.</param>
    /// <param name="describe">More attributes for the values of an instance, such as its owner.</param>
    /// <param name="isFit">Whether an instance can be used; null: each can that is there.</param>
    public GpuMetrics(
        GpuMonitor monitor,
        Func<InstanceReading, IEnumerable<Tag>>? describe = null,
        Func<InstanceReading, bool>? isFit = null)
    {
        ArgumentNullException.ThrowIfNull(monitor);
        _monitor = monitor;
        _describe = describe;
        _isFit = isFit;

        _meter = new RenewedMeter(Create);
    }

    /// <summary>Ends the publishing.</summary>
    public void Dispose() => _meter.Dispose();

    private void Create(Meter meter, Action<string> note)
    {
        Gauge(meter, "hw.temperature", "Cel", "The temperature of the chip.", gpu => gpu.TemperatureCelsius);
        Gauge(meter, "hw.power", "W", "The power that the board draws.", gpu => gpu.PowerWatts);
        meter.CreateObservableUpDownCounter(
            "hw.status",
            () => OfGpus(States).Concat(OfInstances(States)),
            "1",
            "1 for the state that it is in, 0 for the others.");
        meter.CreateObservableCounter(
            "hw.errors",
            () => OfGpus((gpu, tags) => Errors(gpu.Xids, tags)).Concat(OfInstances((instance, tags) => Errors(instance.Xids, tags))),
            "{error}",
            "Xid errors since the monitor began.");
        meter.CreateObservableUpDownCounter(
            "hw.gpu.memory.usage",
            () => OfGpus((gpu, tags) => One(gpu.Memory?.UsedBytes, tags))
                .Concat(OfInstances((instance, tags) => One<long>(instance.Memory.UsedBytes, Noted(tags, note)))),
            "By",
            "The memory that is allocated.");
        meter.CreateObservableUpDownCounter(
            "hw.gpu.memory.limit",
            () => OfGpus((gpu, tags) => One(gpu.Memory?.TotalBytes, tags))
                .Concat(OfInstances((instance, tags) => One<long>(instance.Memory.TotalBytes, tags))),
            "By",
            "The memory that there is.");
        meter.CreateObservableGauge(
            "hw.gpu.utilization",
            () => OfGpus((gpu, tags) => One(gpu.Utilization, tags))
                .Concat(OfInstances((instance, tags) => One(instance.Activity?.Engine, tags))),
            "1",
            "The part of the time in which it worked.");
        Activity(meter, "nvml.mig.sm.utilization", "The part of the time in which a multiprocessor was busy.", a => a.Multiprocessors);
        Activity(meter, "nvml.mig.tensor.utilization", "The use of the tensor cores.", a => a.TensorCores);
        Activity(meter, "nvml.mig.memory.bandwidth.utilization", "The use of the memory bandwidth.", a => a.MemoryBandwidth);
        meter.CreateObservableUpDownCounter(
            "nvml.mig.mode", () => OfGpus((gpu, tags) => One<long>(gpu.Mode is { Current: var on } ? on ? 1 : 0 : null, tags)), "1",
            "1 if MIG is enabled, 0 if it is not.");
    }

    private static IEnumerable<Measurement<T>> One<T>(T? value, Tag[] tags)
        where T : struct => value is { } known ? [new Measurement<T>(known, tags)] : [];

    private static IEnumerable<Measurement<long>> Errors(IReadOnlyList<XidCount> xids, Tag[] tags) => xids.Select(xid =>
        new Measurement<long>(xid.Count, [.. tags, new("error.type", string.Create(CultureInfo.InvariantCulture, $"xid_{xid.Xid}"))]));

    private static IEnumerable<Measurement<long>> States(GpuReading gpu, Tag[] tags)
    {
        (GpuStatus Status, string State)[] states = [(GpuStatus.Ok, "ok"), (GpuStatus.Failing, "degraded"), (GpuStatus.Lost, "failed")];
        return states.Select(s => new Measurement<long>(gpu.Status == s.Status ? 1 : 0, [.. tags, new("hw.state", s.State)]));
    }

    private IEnumerable<Measurement<long>> States(InstanceReading instance, Tag[] tags)
    {
        bool isFit = _isFit?.Invoke(instance) ?? true;
        return [new(isFit ? 1 : 0, [.. tags, new("hw.state", "ok")]), new(isFit ? 0 : 1, [.. tags, new("hw.state", "failed")])];
    }

    /// <summary>Once of all instruments, which have the same.</summary>
    private static Tag[] Noted(Tag[] tags, Action<string> note)
    {
        note(string.Join('\n', tags.Select(tag => tag.Value)));
        return tags;
    }

    private void Gauge<T>(Meter meter, string name, string unit, string description, Func<GpuReading, T?> read)
        where T : struct =>
        meter.CreateObservableGauge(name, () => OfGpus((gpu, tags) => One(read(gpu), tags)), unit, description);

    private void Activity(Meter meter, string name, string description, Func<InstanceActivity, double?> read) =>
        meter.CreateObservableGauge(
        name, () => OfInstances((i, tags) => One(i.Activity is { } activity ? read(activity) : null, tags)), "1", description);

    private IEnumerable<Measurement<T>> OfGpus<T>(Func<GpuReading, Tag[], IEnumerable<Measurement<T>>> measure)
        where T : struct => Read().SelectMany(gpu => measure(gpu, TagsOf(gpu)));

    private IEnumerable<Measurement<T>> OfInstances<T>(Func<InstanceReading, Tag[], IEnumerable<Measurement<T>>> measure)
        where T : struct => Read().SelectMany(gpu => gpu.Instances.SelectMany(i => measure(i, TagsOf(gpu, i))));

    /// <summary>Nothing once the session is closed: whoever collects then must not fail.</summary>
    private IReadOnlyList<GpuReading> Read()
    {
        try
        {
            return _monitor.Read().Gpus;
        }
        catch (ObjectDisposedException)
        {
            return [];
        }
    }

    /// <summary>One that has never answered has no UUID.</summary>
    private static string IdOf(GpuReading gpu) => gpu.Uuid ?? NameOf(gpu);

    private static string NameOf(GpuReading gpu) => string.Create(CultureInfo.InvariantCulture, $"GPU {gpu.Index}");

    private static Tag[] TagsOf(GpuReading gpu) =>
    [
        new("hw.id", IdOf(gpu)), new("hw.type", "gpu"), new("hw.name", NameOf(gpu)),
        .. gpu.Name is { } model ? [new("hw.model", model)] : (Tag[])[],
    ];

    private Tag[] TagsOf(GpuReading gpu, InstanceReading instance) =>
    [
        new("hw.id", instance.Uuid),
        new("hw.type", "gpu"),
        new("hw.parent", IdOf(gpu)),
        new("nvml.mig.profile", instance.Profile),
        new("nvml.mig.gpu_instance.id", instance.GpuInstanceId),
        new("nvml.mig.compute_instance.id", instance.ComputeInstanceId),
        .. _describe?.Invoke(instance) ?? [],
    ];
}
