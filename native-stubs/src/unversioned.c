/*
 * The names without a version, which the header maps to newer functions: programs that look functions up by name use them.
 * Functions about a GPU stand beside the newer ones.
 */
#include "calls.h"

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
