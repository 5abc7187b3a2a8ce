// nvml.h: Device Queries; prototypes of NVML 13, checked by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

internal static unsafe partial class LibNvml
{
    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetCount_v2(uint* deviceCount);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(uint index, nvmlDevice_t* device);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetHandleByUUID(byte* uuid, nvmlDevice_t* device);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(byte* pciBusId, nvmlDevice_t* device);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, byte* name, uint length);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, byte* uuid, uint length);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, uint* index);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t* pci);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetHandleBySerial(byte* serial, nvmlDevice_t* device);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, uint* minorNumber);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, byte* serial, uint length);

    /// <summary>type is a nvmlBrandType_t.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetBrand(nvmlDevice_t device, uint* type);

    /// <summary>arch is a NVML_DEVICE_ARCH_*.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, uint* arch);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int* major, int* minor);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, byte* version, uint length);

    /// <summary>mode is a nvmlEnableState_t.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, uint* mode);

    /// <summary>mode is a nvmlComputeMode_t.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, uint* mode);

    /// <summary>pVirtualMode is a nvmlGpuVirtualizationMode_t.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, uint* pVirtualMode);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t* gpuFabricInfo);
}
