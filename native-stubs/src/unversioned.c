/* The names without a version, which the header maps to newer functions: programs that look functions up by name use them. */
#include "calls.h"
#include "handles.h"

NVML_FUNCTION(nvmlSystemGetCudaDriverVersion, (int *cudaDriverVersion), (cudaDriverVersion), NO_GPU)
{
    return nvmlSystemGetCudaDriverVersion_v2(cudaDriverVersion);
}

NVML_FUNCTION(nvmlDeviceGetCount, (unsigned int *deviceCount), (deviceCount), NO_GPU)
{
    return nvmlDeviceGetCount_v2(deviceCount);
}

NVML_FUNCTION(nvmlDeviceGetHandleByIndex, (unsigned int index, nvmlDevice_t *device), (index, device), NO_GPU)
{
    return nvmlDeviceGetHandleByIndex_v2(index, device);
}

NVML_FUNCTION(nvmlDeviceGetHandleByPciBusId, (const char *pciBusId, nvmlDevice_t *device), (pciBusId, device), NO_GPU)
{
    return nvmlDeviceGetHandleByPciBusId_v2(pciBusId, device);
}

NVML_FUNCTION(nvmlComputeInstanceGetInfo, (nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t *info),
              (computeInstance, info), gpu_of_compute_instance(computeInstance))
{
    return nvmlComputeInstanceGetInfo_v2(computeInstance, info);
}

NVML_FUNCTION(nvmlDeviceGetGpuInstancePossiblePlacements,
              (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstancePlacement_t *placements,
               unsigned int *count),
              (device, profileId, placements, count), gpu_of_device(device))
{
    return nvmlDeviceGetGpuInstancePossiblePlacements_v2(device, profileId, placements, count);
}
