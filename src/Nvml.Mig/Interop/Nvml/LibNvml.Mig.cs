// nvml.h: Multi Instance GPU Management; prototypes of NVML 13, checked by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

internal static unsafe partial class LibNvml
{
    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t device, uint mode, nvmlReturn_t* activationStatus);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, uint* currentMode, uint* pendingMode);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(
        nvmlDevice_t device, uint profile, nvmlGpuInstanceProfileInfo_t* info);

    /// <summary>Takes version 2 and 3 of the struct; the header declares the older.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(
        nvmlDevice_t device, uint profile, nvmlGpuInstanceProfileInfo_v2_t* info);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(
        nvmlDevice_t device, uint profileId, nvmlGpuInstancePlacement_t* placements, uint* count);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t device, uint profileId, uint* count);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceCreateGpuInstance(
        nvmlDevice_t device, uint profileId, nvmlGpuInstance_t* gpuInstance);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(
        nvmlDevice_t device, uint profileId, nvmlGpuInstancePlacement_t* placement, nvmlGpuInstance_t* gpuInstance);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceDestroy(nvmlGpuInstance_t gpuInstance);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGpuInstances(
        nvmlDevice_t device, uint profileId, nvmlGpuInstance_t* gpuInstances, uint* count);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, uint id, nvmlGpuInstance_t* gpuInstance);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t gpuInstance, nvmlGpuInstanceInfo_t* info);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(
        nvmlGpuInstance_t gpuInstance, uint profile, uint engProfile, nvmlComputeInstanceProfileInfo_t* info);

    /// <summary>Takes version 2 and 3 of the struct; the header declares the older.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfoV(
        nvmlGpuInstance_t gpuInstance, uint profile, uint engProfile, nvmlComputeInstanceProfileInfo_v2_t* info);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceGetComputeInstanceRemainingCapacity(
        nvmlGpuInstance_t gpuInstance, uint profileId, uint* count);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceGetComputeInstancePossiblePlacements(
        nvmlGpuInstance_t gpuInstance, uint profileId, nvmlComputeInstancePlacement_t* placements, uint* count);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(
        nvmlGpuInstance_t gpuInstance, uint profileId, nvmlComputeInstance_t* computeInstance);

    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceCreateComputeInstanceWithPlacement(
        nvmlGpuInstance_t gpuInstance, uint profileId, nvmlComputeInstancePlacement_t* placement, nvmlComputeInstance_t* computeInstance);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlComputeInstanceDestroy(nvmlComputeInstance_t computeInstance);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceGetComputeInstances(
        nvmlGpuInstance_t gpuInstance, uint profileId, nvmlComputeInstance_t* computeInstances, uint* count);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlComputeInstanceGetInfo_v2(
        nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t* info);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, uint* id);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, uint* id);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, uint* count);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, uint index, nvmlDevice_t* migDevice);

    /// <summary>Takes version 2 and 3 of the struct; the header declares the older.</summary>
    [LibraryImport(Name), OptionalFunction]
    public static partial nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoByIdV(
        nvmlDevice_t device, uint profileId, nvmlGpuInstanceProfileInfo_v2_t* info);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(
        nvmlGpuInstance_t gpuInstance, uint id, nvmlComputeInstance_t* computeInstance);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, uint* isMigDevice);

    [LibraryImport(Name), RequiredFunction]
    public static partial nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t migDevice, nvmlDevice_t* device);
}
