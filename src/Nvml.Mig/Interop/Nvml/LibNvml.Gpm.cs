// nvml.h: GPM Functions (GPU performance monitoring); prototypes of NVML 13, checked by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

internal static unsafe partial class LibNvml
{
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t* gpmSupport);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t* gpmSample);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t gpmSample);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t gpmSample);

    /// <summary>device is the GPU, not a MIG device.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpmMigSampleGet(nvmlDevice_t device, uint gpuInstanceId, nvmlGpmSample_t gpmSample);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t* metricsGet);
}
