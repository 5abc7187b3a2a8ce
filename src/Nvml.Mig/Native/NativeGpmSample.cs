using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A sample of performance counters.</summary>
internal sealed unsafe class NativeGpmSample : OwnedHandle
{
    /// <summary>Drivers refuse more than the metrics that they know, which are 98 in the oldest that has any (R520).</summary>
    private const int MaxMetricsAtOnce = 64;

    private readonly NativeSession _session;

    private NativeGpmSample(NativeSession session, nvmlGpmSample_t sample)
        : base(session, sample.Value) => _session = session;

    public nvmlGpmSample_t Native => new(handle);

    /// <summary>Allocates an empty sample, in the caller's scope.</summary>
    public static NativeGpmSample Allocate(NativeSession session)
    {
        nvmlGpmSample_t sample;
        session.Check(nvmlGpmSampleAlloc(&sample), nameof(nvmlGpmSampleAlloc), "allocate a GPM sample");
        return new NativeGpmSample(session, sample);
    }

    /// <summary>The metrics of the time from <paramref name="earlier"/> to this sample, <paramref name="of"/> something.</summary>
    public GpmMetricValue[] GetMetrics(NativeGpmSample earlier, ReadOnlySpan<GpmMetric> metrics, string of)
    {
        using CallScope scope = _session.Enter();
        _session.Require(nameof(nvmlGpmMetricsGet), "compute GPM metrics of", of);
        using Reference self = new(this);
        using Reference other = new(earlier);
        GpmMetricValue[] values = new GpmMetricValue[metrics.Length];
        for (int start = 0; start < metrics.Length; start += MaxMetricsAtOnce)
            GetMetrics(earlier, metrics[start..Math.Min(metrics.Length, start + MaxMetricsAtOnce)], values.AsSpan(start), of);
        return values;
    }

    private void GetMetrics(NativeGpmSample earlier, ReadOnlySpan<GpmMetric> metrics, Span<GpmMetricValue> values, string of)
    {
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
            throw _session.Error(result, nameof(nvmlGpmMetricsGet), $"compute GPM metrics of {of}");
        for (int i = 0; i < metrics.Length; i++)
        {
            ref readonly nvmlGpmMetric_t metric = ref asked[i];
            string name = NativeText.ReadStatic(metric.metricInfo.shortName);
            // Measured on driver 580: numbers that stand for no metric, between those that do, succeed with 0 and without a name.
            nvmlReturn_t code = metric.nvmlReturn == NVML_SUCCESS && name.Length == 0 ? NVML_ERROR_NOT_SUPPORTED : metric.nvmlReturn;
            values[i] = new GpmMetricValue(
                metrics[i],
                (NvmlReturnCode)code,
                code == NVML_SUCCESS ? metric.value : double.NaN,
                name,
                NativeText.ReadStatic(metric.metricInfo.longName),
                NativeText.ReadStatic(metric.metricInfo.unit));
        }
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
