using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A sample of performance counters.</summary>
internal sealed unsafe class NativeGpmSample : OwnedHandle
{
    private readonly NativeSession _session;

    private NativeGpmSample(NativeSession session, nvmlGpmSample_t sample)
        : base(session, sample.Value) => _session = session;

    public nvmlGpmSample_t Native => new(handle);

    /// <summary>Allocates an empty sample, under the caller's lease.</summary>
    public static NativeGpmSample Allocate(NativeSession session)
    {
        nvmlGpmSample_t sample;
        session.Check(nvmlGpmSampleAlloc(&sample), nameof(nvmlGpmSampleAlloc), "allocate a GPM sample");
        return new NativeGpmSample(session, sample);
    }

    /// <summary>The metrics of the time from <paramref name="earlier"/> to this sample.</summary>
    public GpmMetricValue[] GetMetrics(NativeGpmSample earlier, ReadOnlySpan<GpmMetric> metrics, string of)
    {
        using Lease lease = _session.Lease();
        using Reference self = new(this);
        using Reference other = new(earlier);
        nvmlGpmMetricsGet_t get = new()
        {
            version = NVML_GPM_METRICS_GET_VERSION,
            numMetrics = (uint)metrics.Length,
            sample1 = earlier.Native,
            sample2 = Native,
        };
        Span<nvmlGpmMetric_t> asked = get.metrics;
        for (int i = 0; i < metrics.Length; i++)
            asked[i].metricId = (uint)metrics[i];
        nvmlReturn_t result = nvmlGpmMetricsGet(&get);
        if (result != NVML_SUCCESS)
        {
            throw _session.Error(result, nameof(nvmlGpmMetricsGet), $"compute GPM metrics of {of}", result == NVML_ERROR_INVALID_ARGUMENT
                ? "The two samples must be two, of the same GPU or instance, and the driver must know every metric that is asked for."
                : null);
        }

        GpmMetricValue[] values = new GpmMetricValue[metrics.Length];
        for (int i = 0; i < values.Length; i++)
        {
            ref readonly nvmlGpmMetric_t metric = ref asked[i];
            values[i] = new GpmMetricValue(
                metrics[i],
                (NvmlReturnCode)metric.nvmlReturn,
                metric.value,
                NativeText.ReadStatic(metric.metricInfo.shortName),
                NativeText.ReadStatic(metric.metricInfo.longName),
                NativeText.ReadStatic(metric.metricInfo.unit));
        }

        return values;
    }

    protected override bool Free() => nvmlGpmSampleFree(Native) == NVML_SUCCESS;

    /// <summary>Keeps a sample from being freed while NVML reads it.</summary>
    private readonly ref struct Reference
    {
        private readonly NativeGpmSample _sample;

        public Reference(NativeGpmSample sample)
        {
            bool added = false;
            sample.DangerousAddRef(ref added);
            _sample = sample;
        }

        public void Dispose() => _sample.DangerousRelease();
    }
}
