/*
 * Values of a GPU by number, several at a time. Measured on an H200, driver 580: what an entry cannot be answered with
 * stands in its return code alone, and the rest of the entry stays as it was; of a value that is an int only those four
 * bytes are written. Numbers that a driver has but no simulated GPU has are NOT_SUPPORTED, those it does not have
 * INVALID_ARGUMENT.
 */
#include "calls.h"
#include "driver.h"
#include "ecc.h"
#include "latency.h"

#include <time.h>

static nvmlReturn_t read_unsigned(nvmlFieldValue_t *field, unsigned int value)
{
    field->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
    field->value.uiVal = value;
    return NVML_SUCCESS;
}

static nvmlReturn_t read_long(nvmlFieldValue_t *field, unsigned long long value)
{
    field->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
    field->value.ullVal = value;
    return NVML_SUCCESS;
}

static nvmlReturn_t read_field(const target *at, nvmlFieldValue_t *field)
{
    if (field->fieldId == 0 || field->fieldId >= driver()->field_ids)
        return NVML_ERROR_INVALID_ARGUMENT;
    switch (field->fieldId) {
    case NVML_FI_DEV_ECC_CURRENT:
    case NVML_FI_DEV_ECC_PENDING:
        return at->model->ecc == ECC_NOT_KNOWN ? NVML_ERROR_NOT_SUPPORTED : read_long(field, at->model->ecc == ECC_ON);
    case NVML_FI_DEV_ECC_SBE_VOL_TOTAL:
    case NVML_FI_DEV_ECC_DBE_VOL_TOTAL:
    case NVML_FI_DEV_ECC_SBE_AGG_TOTAL:
    case NVML_FI_DEV_ECC_DBE_AGG_TOTAL:
        if (at->model->ecc != ECC_ON)
            return NVML_ERROR_NOT_SUPPORTED;
        field->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG; /* measured: success, but no value */
        return NVML_SUCCESS;
    case NVML_FI_DEV_REMAPPED_COR:
    case NVML_FI_DEV_REMAPPED_UNC:
        return ecc_has_rows(at) ? read_long(field, 0) : NVML_ERROR_NOT_SUPPORTED;
    case NVML_FI_DEV_REMAPPED_PENDING:
        return ecc_has_rows(at) ? read_long(field, at->gpu->row_remap_pending) : NVML_ERROR_NOT_SUPPORTED;
    case NVML_FI_DEV_REMAPPED_FAILURE:
        return ecc_has_rows(at) ? read_long(field, at->gpu->row_remap_failed) : NVML_ERROR_NOT_SUPPORTED;
    case NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED:
        return at->model->profile_count == 0 ? NVML_ERROR_NOT_SUPPORTED
                                             : read_unsigned(field, at->model->architecture >= ARCHITECTURE_HOPPER);
    case NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE:
        return at->model->architecture < ARCHITECTURE_HOPPER ? NVML_ERROR_NOT_SUPPORTED /* measured on an H200 only */
                                                             : read_unsigned(field, 1);
    default:
        return NVML_ERROR_NOT_SUPPORTED;
    }
}

static long long microseconds_since_epoch(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

NVML_FUNCTION(nvmlDeviceGetFieldValues, (nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values),
              (device, valuesCount, values), gpu_of_device(device))
{
    if (values == NULL || valuesCount <= 0)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (int i = 0; i < valuesCount; i++) {
        uint64_t begun = latency_now();
        target at;
        nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
        if (result != NVML_SUCCESS)
            return result;
        nvmlReturn_t answer = read_field(&at, &values[i]);
        state_unlock(false);
        if (values[i].fieldId == NVML_FI_DEV_NVSWITCH_CONNECTED_LINK_COUNT)
            continue; /* measured: it gets no return code either, so that the caller's own stays there */
        values[i].nvmlReturn = answer;
        if (answer != NVML_SUCCESS)
            continue;
        latency_take(latency_of_field(values[i].fieldId));
        values[i].timestamp = microseconds_since_epoch();
        values[i].latencyUsec = (long long)((latency_now() - begun) / 1000);
    }
    return NVML_SUCCESS;
}
