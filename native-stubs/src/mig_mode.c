#include "calls.h"
#include "clients.h"
#include "geometry.h"
#include "handles.h"
#include "privileges.h"

/* Why a change of mode cannot take effect now; SUCCESS if it can. */
static nvmlReturn_t why_pending(const target *at)
{
    if (at->gpu->mig_enabled == at->gpu->mig_pending)
        return NVML_SUCCESS;
    /* Hopper and newer change without a reset; only leaving MIG mode waits for clients (NVIDIA's DRA driver expects it). */
    if (at->model->architecture >= ARCHITECTURE_HOPPER)
        return !at->gpu->mig_pending && is_gpu_in_use(at->gpu) ? NVML_ERROR_IN_USE : NVML_SUCCESS;
    /* On Ampere the driver resets the GPU: not while clients have it open, and not from inside a virtual machine. */
    if (at->gpu->in_vm)
        return NVML_ERROR_NOT_SUPPORTED;
    return is_gpu_in_use(at->gpu) ? NVML_ERROR_IN_USE : NVML_SUCCESS;
}

/*
 * The call succeeds and the activation status says whether the mode is there already. Setting the mode that a GPU has is no
 * error. Leaving MIG mode with instances there is refused as GH200 does: the call itself says IN_USE.
 */
NVML_FUNCTION(nvmlDeviceSetMigMode, (nvmlDevice_t device, unsigned int mode, nvmlReturn_t *activationStatus),
              (device, mode, activationStatus), gpu_of_device(device))
{
    if (activationStatus == NULL || (mode != NVML_DEVICE_MIG_DISABLE && mode != NVML_DEVICE_MIG_ENABLE))
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_CHANGE, &at);
    if (result != NVML_SUCCESS)
        return result;
    if (at.model->profile_count == 0)
        result = NVML_ERROR_NOT_SUPPORTED;
    else if (privileges_of_process() < PRIVILEGES_ALL)
        result = NVML_ERROR_NO_PERMISSION;
    else if (mode == NVML_DEVICE_MIG_DISABLE && gpu_has_instances(at.gpu))
        result = NVML_ERROR_IN_USE;
    if (result != NVML_SUCCESS) {
        state_unlock(false);
        *activationStatus = result;
        return result;
    }
    at.gpu->mig_pending = mode == NVML_DEVICE_MIG_ENABLE;
    *activationStatus = why_pending(&at);
    if (*activationStatus == NVML_SUCCESS)
        *activationStatus = call_activation_status();
    bool switches = *activationStatus == NVML_SUCCESS && at.gpu->mig_enabled != at.gpu->mig_pending;
    if (switches)
        at.gpu->mig_enabled = at.gpu->mig_pending; /* without an event: those come with instances (open kernel module) */
    result = state_unlock(true);
    if (switches)
        latency_take(latency_of_change(CHANGE_MODE, at.model->architecture));
    return result;
}

NVML_FUNCTION(nvmlDeviceGetMigMode,
              (nvmlDevice_t device, unsigned int *currentMode, unsigned int *pendingMode),
              (device, currentMode, pendingMode), gpu_of_device(device))
{
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
