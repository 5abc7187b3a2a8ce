namespace Nvml.Mig;

/// <summary>
/// The native functions that the code above Native names: in messages where no call of them failed, and to ask whether the driver has
/// them. A test compares them with the imports.
/// </summary>
internal static class NvmlFunction
{
    public const string GetHandleByIndex = "nvmlDeviceGetHandleByIndex_v2";
    public const string GetMigMode = "nvmlDeviceGetMigMode";
    public const string SetMigMode = "nvmlDeviceSetMigMode";
    public const string GetGpuInstanceProfile = "nvmlDeviceGetGpuInstanceProfileInfoV";
    public const string CreateGpuInstance = "nvmlDeviceCreateGpuInstance";
    public const string CreateGpuInstanceAt = "nvmlDeviceCreateGpuInstanceWithPlacement";
    public const string DestroyGpuInstance = "nvmlGpuInstanceDestroy";
    public const string GetGpuInstances = "nvmlDeviceGetGpuInstances";
    public const string GetGpuInstanceInfo = "nvmlGpuInstanceGetInfo";
    public const string GetComputeInstanceProfile = "nvmlGpuInstanceGetComputeInstanceProfileInfoV";
    public const string GetComputeInstancePlacements = "nvmlGpuInstanceGetComputeInstancePossiblePlacements";
    public const string CreateComputeInstance = "nvmlGpuInstanceCreateComputeInstance";
    public const string CreateComputeInstanceAt = "nvmlGpuInstanceCreateComputeInstanceWithPlacement";
    public const string DestroyComputeInstance = "nvmlComputeInstanceDestroy";
    public const string GetComputeInstanceInfo = "nvmlComputeInstanceGetInfo_v2";
    public const string GetMigDevice = "nvmlDeviceGetMigDeviceHandleByIndex";
    public const string GetComputeInstances = "nvmlGpuInstanceGetComputeInstances";
    public const string GetComputeInstance = "nvmlGpuInstanceGetComputeInstanceById";
    public const string GetComputeInstanceCapacity = "nvmlGpuInstanceGetComputeInstanceRemainingCapacity";
    public const string GetGpuInstanceId = "nvmlDeviceGetGpuInstanceId";
    public const string TakeGpmSample = "nvmlGpmMigSampleGet";
    public const string RegisterEvents = "nvmlDeviceRegisterEvents";
    public const string WaitForEvent = "nvmlEventSetWait_v2";
}
