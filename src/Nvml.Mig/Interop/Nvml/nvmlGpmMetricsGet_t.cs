// Layout: nvml.h of NVML 13 on x86-64, 13344 bytes; compared with the C compiler by AbiTests.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>
/// A question for metrics of the time between two samples. Older headers have a shorter array; only numMetrics of it are used.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlGpmMetricsGet_t
{
    public uint version;
    public uint numMetrics;
    public nvmlGpmSample_t sample1;
    public nvmlGpmSample_t sample2;
    public metrics_t metrics;

    [InlineArray(LibNvml.NVML_GPM_METRIC_MAX)]
    public struct metrics_t
    {
        public nvmlGpmMetric_t First;
    }
}
