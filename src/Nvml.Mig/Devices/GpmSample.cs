using System.Diagnostics;
using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// The performance counters of a GPU or a GPU instance at one moment. Two samples make metrics of the time between them. Dispose of
/// samples before their session: NVML stays initialised as long as one remains.
/// </summary>
/// <example>
/// <code>
/// using GpmSample before = instance.TakeGpmSample();
/// await Task.Delay(1000);
/// using GpmSample after = instance.TakeGpmSample();
/// foreach (GpmMetricValue value in after.GetMetricsSince(before, GpmMetric.SmUtilization, GpmMetric.DramBandwidthUtilization))
///     Console.WriteLine(value); // smutil: 87.5 %
/// </code>
/// </example>
public sealed class GpmSample : IDisposable
{
    private readonly NativeGpmSample _native;
    private readonly string _of;
    private readonly InstanceInfo? _instance;
    private readonly int _generation;
    private readonly long _taken = Stopwatch.GetTimestamp();

    /// <summary>
    /// <paramref name="instance"/> is null for a whole GPU; <paramref name="generation"/> counts the instances destroyed in its place.
    /// </summary>
    internal GpmSample(NativeGpmSample native, string of, InstanceInfo? instance, int generation)
    {
        _native = native;
        _of = of;
        _instance = instance;
        _generation = generation;
    }

    /// <summary>
    /// The metrics of the time from another sample to this one. Take samples at least 100 ms apart. An instance that another process
    /// destroyed and created again alike between them is not noticed.
    /// </summary>
    /// <param name="earlier">A sample of the same GPU or GPU instance, taken before this one.</param>
    /// <param name="metrics">The metrics to compute.</param>
    /// <returns>A value for each, in the same order; a metric without a value says so.</returns>
    /// <exception cref="ArgumentException">
    /// The samples are the same one, in the wrong order, or of two GPUs or instances, also where the second was created in the place of the
    /// first; or there are no metrics.
    /// </exception>
    /// <exception cref="NvmlException">The driver cannot compute them.</exception>
    /// <exception cref="ObjectDisposedException">A sample was disposed of, or the session was closed.</exception>
    public IReadOnlyList<GpmMetricValue> GetMetricsSince(GpmSample earlier, params ReadOnlySpan<GpmMetric> metrics)
    {
        ArgumentNullException.ThrowIfNull(earlier);
        if (ReferenceEquals(earlier, this))
            throw new ArgumentException("Metrics are of the time between two samples; this is one and the same.", nameof(earlier));
        if (earlier._of != _of)
        {
            throw new ArgumentException(
                $"The earlier sample is of {earlier._of}, the later of {_of}: metrics are of one of them.", nameof(earlier));
        }

        if (earlier._instance != _instance || earlier._generation != _generation)
        {
            throw new ArgumentException(
                $"{_of} was destroyed and created again between the two samples: metrics are of one instance.", nameof(earlier));
        }

        if (earlier._taken > _taken)
            throw new ArgumentException("The sample that should be the earlier one is the later.", nameof(earlier));
        if (metrics.IsEmpty)
            throw new ArgumentException("No metrics are asked for.", nameof(metrics));
        return _native.GetMetrics(earlier._native, metrics, _of);
    }

    /// <summary>Frees the sample.</summary>
    public void Dispose() => _native.Dispose();
}
