#include "calls.h"
#include "handles.h"

static bool has_instances(const gpu_state *gpu)
{
    for (unsigned int id = 0; id < MAX_GPU_INSTANCE_IDS; id++)
        if (gpu->instances[id].exists)
            return true;
    return false;
}

/*
 * Takes effect at once: on Hopper and newer always, on Ampere because no client holds the simulated GPU. Setting the mode
 * that a GPU has is no error. Leaving MIG mode with instances there is refused as GH200 does: the call itself says IN_USE.
 */
nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t device, unsigned int mode, nvmlReturn_t *activationStatus)
{
    NVML_CALL();
    if (activationStatus == NULL || (mode != NVML_DEVICE_MIG_DISABLE && mode != NVML_DEVICE_MIG_ENABLE))
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_CHANGE, &at);
    if (result != NVML_SUCCESS)
        return result;
    if (at.model->profile_count == 0) {
        state_unlock(false);
        *activationStatus = NVML_ERROR_NOT_SUPPORTED;
        return NVML_ERROR_NOT_SUPPORTED;
    }
    if (mode == NVML_DEVICE_MIG_DISABLE && has_instances(at.gpu)) {
        state_unlock(false);
        *activationStatus = NVML_ERROR_IN_USE;
        return NVML_ERROR_IN_USE;
    }
    at.gpu->mig_enabled = at.gpu->mig_pending = mode == NVML_DEVICE_MIG_ENABLE;
    *activationStatus = NVML_SUCCESS;
    return state_unlock(true);
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *currentMode, unsigned int *pendingMode)
{
    NVML_CALL();
    if (currentMode == NULL || pendingMode == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    if (at.model->profile_count == 0) {
        state_unlock(false);
        return NVML_ERROR_NOT_SUPPORTED;
    }
    *currentMode = at.gpu->mig_enabled;
    *pendingMode = at.gpu->mig_pending;
    return state_unlock(false);
}
