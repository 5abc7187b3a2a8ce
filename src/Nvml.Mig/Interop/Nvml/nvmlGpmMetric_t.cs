// Layout: nvml.h of NVML 13 on x86-64, 40 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>A metric of the time between two samples. metricId is a NVML_GPM_METRIC_*.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlGpmMetric_t
{
    public uint metricId;
    public nvmlReturn_t nvmlReturn;
    public double value;
    public metricInfo_t metricInfo;

    /// <summary>The driver's own static texts.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct metricInfo_t
    {
        public byte* shortName;
        public byte* longName;
        public byte* unit;
    }
}
