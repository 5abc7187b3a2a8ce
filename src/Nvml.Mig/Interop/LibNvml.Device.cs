using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

// nvml.h: Device Queries
internal static unsafe partial class LibNvml
{
    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlDeviceGetCount_v2(uint* deviceCount);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(uint index, nvmlDevice_t* device);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlDeviceGetHandleByUUID(byte* uuid, nvmlDevice_t* device);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(byte* pciBusId, nvmlDevice_t* device);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, byte* name, uint length);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, byte* uuid, uint length);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, uint* index);

    [LibraryImport(Name)]
    public static partial nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t* pci);
}
