using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net;
using Nvml.Mig.Kubernetes.Nodes;
using Tag = System.Collections.Generic.KeyValuePair<string, object?>;

namespace Nvml.Mig.Kubernetes;

/// <summary>Counts passes and requests in the meter <see cref="NvmlTelemetry.SourceName"/>: docs/metrics.md lists them.</summary>
internal sealed class KubernetesMetrics : IDisposable
{
    private readonly Meter _meter = new(NvmlTelemetry.SourceName);
    private readonly Counter<long> _reconciles;
    private readonly Counter<long> _requests;
    private long _lastSuccess;

    public KubernetesMetrics()
    {
        _reconciles = _meter.CreateCounter<long>(
            "nvml.mig.kubernetes.reconciles", "{reconcile}", "Comparisons of the GPUs with what the node asks for, and the changes.");
        _requests = _meter.CreateCounter<long>("nvml.mig.kubernetes.requests", "{request}", "Requests to the API server.");
        _meter.CreateObservableGauge(
            "nvml.mig.kubernetes.last_success", ReadLastSuccess, "s", "When the GPUs last were as asked for, in seconds since 1970.");
    }

    public void CountReconcile(string result, DateTimeOffset time)
    {
        _reconciles.Add(1, new Tag("nvml.mig.result", result));
        if (result == NodeProtocol.Success)
            Interlocked.Exchange(ref _lastSuccess, time.ToUnixTimeSeconds());
    }

    /// <summary>Counts a request; without a status there was no answer.</summary>
    public void CountRequest(string verb, string resource, HttpStatusCode? status) => _requests.Add(
        1,
        new Tag("nvml.mig.kubernetes.verb", verb),
        new Tag("nvml.mig.kubernetes.resource", resource),
        new Tag("http.response.status_code", status is { } code ? ((int)code).ToString(CultureInfo.InvariantCulture) : "none"));

    public void Dispose() => _meter.Dispose();

    /// <summary>No value before the first success, and never 0.</summary>
    private IEnumerable<Measurement<long>> ReadLastSuccess() =>
        Interlocked.Read(ref _lastSuccess) is > 0 and long last ? [new Measurement<long>(last)] : [];
}
