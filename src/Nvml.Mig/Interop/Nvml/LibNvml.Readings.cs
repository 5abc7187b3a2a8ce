// nvml.h: Device Queries, of what changes while the GPU works; prototypes of NVML 13, checked by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

internal static unsafe partial class LibNvml
{
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t* attributes);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t* memory);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t* memory);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t* bar1Memory);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(
        nvmlDevice_t device, uint* infoCount, nvmlProcessInfo_t* infos);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(
        nvmlDevice_t device, uint* infoCount, nvmlProcessInfo_t* infos);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(
        nvmlDevice_t device, uint* infoCount, nvmlProcessInfo_t* infos);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(
        nvmlDevice_t device, uint* infoCount, nvmlProcessInfo_t* infos);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v2(
        nvmlDevice_t device, uint* infoCount, nvmlProcessInfo_t* infos);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(
        nvmlDevice_t device, uint* infoCount, nvmlProcessInfo_t* infos);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t* utilization);

    /// <summary>sensorType is a nvmlTemperatureSensors_t.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, uint sensorType, uint* temp);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, uint* power);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, uint* limit);

    /// <summary>errorType is a nvmlMemoryErrorType_t, counterType a nvmlEccCounterType_t.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, uint errorType, uint counterType, ulong* eccCounts);

    /// <summary>locationType is a nvmlMemoryLocation_t.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(
        nvmlDevice_t device, uint errorType, uint counterType, uint locationType, ulong* count);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetRemappedRows(
        nvmlDevice_t device, uint* corrRows, uint* uncRows, uint* isPending, uint* failureOccurred);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t* values);
}
