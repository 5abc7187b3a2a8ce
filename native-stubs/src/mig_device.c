#include "calls.h"
#include "handles.h"

NVML_FUNCTION(nvmlDeviceIsMigDeviceHandle,
              (nvmlDevice_t device, unsigned int *isMigDevice),
              (device, isMigDevice), gpu_of_device(device))
{
    if (isMigDevice == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *isMigDevice = at.compute_instance != NULL;
    return state_unlock(false);
}

/* Locks a MIG device; a GPU's handle is as wrong here as no handle. */
static nvmlReturn_t lock_mig_device(nvmlDevice_t device, target *at)
{
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, at);
    if (result == NVML_SUCCESS && at->compute_instance == NULL) {
        state_unlock(false);
        result = NVML_ERROR_INVALID_ARGUMENT;
    }
    return result;
}

NVML_FUNCTION(nvmlDeviceGetGpuInstanceId, (nvmlDevice_t device, unsigned int *id), (device, id), gpu_of_device(device))
{
    if (id == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    *id = at.gpu_instance_id;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetComputeInstanceId,
              (nvmlDevice_t device, unsigned int *id),
              (device, id), gpu_of_device(device))
{
    if (id == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    *id = at.compute_instance_id;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetDeviceHandleFromMigDeviceHandle,
              (nvmlDevice_t migDevice, nvmlDevice_t *device),
              (migDevice, device), gpu_of_device(migDevice))
{
    if (device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_mig_device(migDevice, &at);
    if (result != NVML_SUCCESS)
        return result;
    *device = handle_of_gpu(at.gpu_index);
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetMaxMigDeviceCount,
              (nvmlDevice_t device, unsigned int *count),
              (device, count), gpu_of_device(device))
{
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *count = at.gpu->mig_enabled ? at.model->max_mig_devices : 0;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetMigDeviceHandleByIndex,
              (nvmlDevice_t device, unsigned int index, nvmlDevice_t *migDevice),
              (device, index, migDevice), gpu_of_device(device))
{
    if (migDevice == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    result = NVML_ERROR_NOT_FOUND;
    for (unsigned int gi = 0; gi < MAX_GPU_INSTANCE_IDS; gi++)
        for (unsigned int ci = 0; ci < MAX_COMPUTE_INSTANCES; ci++)
            if (target_gpu_instance(&at, gi) && target_compute_instance(&at, ci) && index-- == 0) {
                *migDevice = handle_of_mig_device(at.gpu_index, gi, ci);
                result = NVML_SUCCESS;
            }
    state_unlock(false);
    return result;
}
