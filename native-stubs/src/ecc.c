/* The simulated machine has the memory errors that nvmlStubSetHealth() gives it, where it is known that they are counted. */
#include "ecc.h"

#include "calls.h"
#include "geometry.h"

static bool are_kinds(nvmlMemoryErrorType_t error, nvmlEccCounterType_t counter)
{
    return (unsigned int)error < NVML_MEMORY_ERROR_TYPE_COUNT && (unsigned int)counter < NVML_ECC_COUNTER_TYPE_COUNT;
}

/* Errors since the driver was loaded are not counted for a GPU in MIG mode (header); nvidia-smi prints "On" for their number. */
static bool has_counter(const target *of, nvmlEccCounterType_t counter)
{
    return of->model->ecc == ECC_ON && !(of->gpu->mig_enabled && counter == NVML_VOLATILE_ECC);
}

unsigned int ecc_count(const gpu_state *gpu, nvmlMemoryErrorType_t error, nvmlEccCounterType_t counter)
{
    return error == NVML_MEMORY_ERROR_TYPE_UNCORRECTED && counter == NVML_AGGREGATE_ECC ? read_u32(gpu->ecc_errors) : 0;
}

NVML_FUNCTION(nvmlDeviceGetTotalEccErrors,
              (nvmlDevice_t device, nvmlMemoryErrorType_t errorType, nvmlEccCounterType_t counterType,
               unsigned long long *eccCounts),
              (device, errorType, counterType, eccCounts), gpu_of_device(device))
{
    if (eccCounts == NULL || !are_kinds(errorType, counterType))
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool counted = has_counter(&at, counterType);
    unsigned int errors = ecc_count(at.gpu, errorType, counterType);
    state_unlock(false);
    if (!counted)
        return NVML_ERROR_NOT_SUPPORTED;
    *eccCounts = errors;
    return NVML_SUCCESS;
}

/* Measured on an H200, and so printed by nvidia-smi since Turing: DRAM and SRAM, and no other location. */
NVML_FUNCTION(nvmlDeviceGetMemoryErrorCounter,
              (nvmlDevice_t device, nvmlMemoryErrorType_t errorType, nvmlEccCounterType_t counterType,
               nvmlMemoryLocation_t locationType, unsigned long long *count),
              (device, errorType, counterType, locationType, count), gpu_of_device(device))
{
    if (count == NULL || !are_kinds(errorType, counterType) ||
        (unsigned int)locationType >= NVML_MEMORY_LOCATION_COUNT)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool in_sram = locationType == NVML_MEMORY_LOCATION_SRAM;
    bool counted;
    if (at.compute_instance != NULL) /* the one counter that MIG devices have (header) */
        counted = at.model->ecc == ECC_ON && in_sram && errorType == NVML_MEMORY_ERROR_TYPE_UNCORRECTED &&
                  counterType == NVML_VOLATILE_ECC;
    else
        counted = has_counter(&at, counterType) && (in_sram || locationType == NVML_MEMORY_LOCATION_DRAM);
    unsigned int errors = in_sram ? 0 : ecc_count(at.gpu, errorType, counterType);
    state_unlock(false);
    if (!counted)
        return NVML_ERROR_NOT_SUPPORTED;
    *count = errors;
    return NVML_SUCCESS;
}

bool ecc_has_rows(const target *of)
{
    return of->model->architecture >= ARCHITECTURE_AMPERE && !gpu_has_instances(of->gpu);
}

NVML_FUNCTION(nvmlDeviceGetRemappedRows,
              (nvmlDevice_t device, unsigned int *corrRows, unsigned int *uncRows, unsigned int *isPending,
               unsigned int *failureOccurred),
              (device, corrRows, uncRows, isPending, failureOccurred), gpu_of_device(device))
{
    if (corrRows == NULL || uncRows == NULL || isPending == NULL || failureOccurred == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool counted = ecc_has_rows(&at);
    unsigned int pending = at.gpu->row_remap_pending;
    unsigned int failed = at.gpu->row_remap_failed;
    state_unlock(false);
    if (!counted)
        return NVML_ERROR_NOT_SUPPORTED;
    *corrRows = *uncRows = 0;
    *isPending = pending;
    *failureOccurred = failed;
    return NVML_SUCCESS;
}

NVML_FUNCTION(nvmlDeviceGetEccMode,
              (nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending),
              (device, current, pending), gpu_of_device(device))
{
    if (current == NULL || pending == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    gpu_ecc ecc = at.model->ecc;
    state_unlock(false);
    if (ecc == ECC_NOT_KNOWN)
        return NVML_ERROR_NOT_SUPPORTED;
    *current = *pending = ecc == ECC_ON ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
    return NVML_SUCCESS;
}
