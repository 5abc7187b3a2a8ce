// nvml.h: Event Handling Methods; prototypes of NVML 13, checked by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

internal static unsafe partial class LibNvml
{
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, ulong* eventTypes);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, ulong eventTypes, nvmlEventSet_t set);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t* set);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t* data, uint timeoutms);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set);
}
