/* Readings of a board that tools ask for beside MIG. Codes and values: measured on an H200, driver 580. */
#include "calls.h"
#include "handles.h"
#include "privileges.h"
#include "uuid.h"

NVML_FUNCTION(nvmlDeviceSetPersistenceMode, (nvmlDevice_t device, nvmlEnableState_t mode), (device, mode),
              gpu_of_device(device))
{
    if (mode != NVML_FEATURE_DISABLED && mode != NVML_FEATURE_ENABLED)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_CHANGE, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool may = privileges_of_process() == PRIVILEGES_ALL;
    if (may)
        at.gpu->persistence_off = mode == NVML_FEATURE_DISABLED;
    result = state_unlock(may);
    return may ? result : NVML_ERROR_NO_PERMISSION;
}

/*
 * Not measured: codes as of the persistence mode. By NVIDIA's documentation drivers take EXCLUSIVE_THREAD no more, MIG goes without
 * EXCLUSIVE_PROCESS, and a restart of the machine sets the mode to DEFAULT. What enabling MIG does to the mode is not known: here it
 * stays.
 */
NVML_FUNCTION(nvmlDeviceSetComputeMode, (nvmlDevice_t device, nvmlComputeMode_t mode), (device, mode),
              gpu_of_device(device))
{
    if ((unsigned int)mode > NVML_COMPUTEMODE_EXCLUSIVE_PROCESS)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_CHANGE, &at);
    if (result != NVML_SUCCESS)
        return result;
    if (privileges_of_process() != PRIVILEGES_ALL)
        result = NVML_ERROR_NO_PERMISSION;
    else if (mode == NVML_COMPUTEMODE_EXCLUSIVE_THREAD || (mode == NVML_COMPUTEMODE_EXCLUSIVE_PROCESS && at.gpu->mig_enabled))
        result = NVML_ERROR_NOT_SUPPORTED;
    if (result != NVML_SUCCESS) {
        state_unlock(false);
        return result;
    }
    at.gpu->compute_mode = (uint8_t)mode;
    return state_unlock(true);
}

/* Ampere and Hopper idle in P0; how the others idle is not known. */
NVML_FUNCTION(nvmlDeviceGetPerformanceState, (nvmlDevice_t device, nvmlPstates_t *pState), (device, pState),
              gpu_of_device(device))
{
    if (pState == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool known = at.model->architecture == ARCHITECTURE_AMPERE || at.model->architecture == ARCHITECTURE_HOPPER;
    state_unlock(false);
    if (!known)
        return NVML_ERROR_NOT_SUPPORTED;
    *pState = NVML_PSTATE_0;
    return NVML_SUCCESS;
}

NVML_FUNCTION(nvmlDeviceGetDisplayActive, (nvmlDevice_t device, nvmlEnableState_t *isActive), (device, isActive),
              gpu_of_device(device))
{
    if (isActive == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    *isActive = NVML_FEATURE_DISABLED;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetPdi, (nvmlDevice_t device, nvmlPdi_v1_t *pdi), (device, pdi), gpu_of_device(device))
{
    if (pdi == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (pdi->version != NVML_STRUCT_VERSION(nvmlPdi_v1_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    pdi->value = pdi_of_gpu(at.model->key, at.gpu_index);
    return state_unlock(false);
}

/* None on an H200; a GH200 shares its CPU's address translation (NVIDIA's documentation). */
NVML_FUNCTION(nvmlDeviceGetAddressingMode, (nvmlDevice_t device, nvmlDeviceAddressingMode_v1_t *mode), (device, mode),
              gpu_of_device(device))
{
    if (mode == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (mode->version != NVML_STRUCT_VERSION(nvmlDeviceAddressingMode_v1_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    mode->value = at.model->has_ats ? NVML_DEVICE_ADDRESSING_MODE_ATS : NVML_DEVICE_ADDRESSING_MODE_NONE;
    return state_unlock(false);
}

/* All GPUs of the simulated machine hang on one NUMA node, as their CPU affinity says. A GPU has no way to itself. */
NVML_FUNCTION(nvmlDeviceGetTopologyCommonAncestor,
              (nvmlDevice_t device1, nvmlDevice_t device2, nvmlGpuTopologyLevel_t *pathInfo),
              (device1, device2, pathInfo), gpu_of_device(device1))
{
    if (pathInfo == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    const nvmlDevice_t devices[] = {device1, device2};
    for (unsigned int i = 0; i < 2; i++) {
        target at;
        nvmlReturn_t result = lock_gpu_without_mig_device(devices[i], &at);
        if (result != NVML_SUCCESS)
            return result;
        state_unlock(false);
    }
    if (device1 == device2)
        return NVML_ERROR_NOT_SUPPORTED;
    *pathInfo = NVML_TOPOLOGY_NODE;
    return NVML_SUCCESS;
}
