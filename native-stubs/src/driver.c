#include "driver.h"

#include "nvml_abi.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * 580 is the one that was measured. Of the others we know the versions, how many profiles, field values and metrics their
 * headers number, and which profiles NVIDIA's guide says came when; version 3 of the structs came with 545 (NVIDIA's list of
 * changes). The name of a branch can be asked for since 560. Quirks that were measured on 580 are not taken away from the
 * others: a client must survive them anyway.
 */
static const driver_branch branches[] = {
    {470, "470.256.02", "11.470.256.02", NULL, 11040, 8, 9, 161, 0, 1},
    {525, "525.147.05", "12.525.147.05", NULL, 12000, 10, 9, 170, 98, 2},
    {535, "535.216.03", "12.535.216.03", NULL, 12020, 10, 9, 197, 98, 2},
    {550, "550.163.01", "12.550.163.01", NULL, 12040, 10, 9, 200, 98, 3},
    {580, "580.159.04", "13.580.159.04", "r582_49", 13000, 17, 9, 289, 210, 3},
    {FUTURE_BRANCH, "9999.01", "99.9999.01", "r9999_01", 99000, 40, 20, 1000, 330, 3},
};

#ifndef STUB_DRIVER_BRANCH
#define STUB_DRIVER_BRANCH 580
#endif

static _Atomic(const driver_branch *) current;

static const driver_branch *find(unsigned long branch)
{
    for (size_t i = 0; i < sizeof(branches) / sizeof(branches[0]); i++)
        if (branches[i].branch == branch)
            return &branches[i];
    return NULL;
}

nvmlReturn_t driver_set(const char *branch, message_buffer *message)
{
    bool own = branch == NULL || branch[0] == '\0';
    bool future = !own && strcmp(branch, "future") == 0;
    char *end = NULL;
    const driver_branch *found = find(future ? FUTURE_BRANCH : own ? STUB_DRIVER_BRANCH : strtoul(branch, &end, 10));
    if (found == NULL || (!own && !future && *end != '\0')) {
        snprintf(message->text, sizeof(message->text), "unknown driver '%.64s'; there are: 470, 525, 535, 550, 580, future",
                 branch);
        return NVML_ERROR_INVALID_ARGUMENT;
    }
    atomic_store(&current, found);
    return NVML_SUCCESS;
}

const driver_branch *driver(void)
{
    const driver_branch *set = atomic_load_explicit(&current, memory_order_relaxed);
    return set == NULL ? find(STUB_DRIVER_BRANCH) : set;
}

/*
 * Asked of the libraries of 470.256, 535.261, 550.163 and 580.159; that 525 is as 535 is assumed. 470 has no text for two
 * older codes either.
 */
bool driver_knows_code(nvmlReturn_t code)
{
    unsigned int branch = driver()->branch;
    if (branch < 525)
        return code <= NVML_ERROR_FREQ_NOT_SUPPORTED && code != NVML_ERROR_NO_DATA &&
               code != NVML_ERROR_VGPU_ECC_NOT_SUPPORTED;
    return code <= (branch < 550   ? NVML_ERROR_NOT_READY
                    : branch < 580 ? NVML_ERROR_INVALID_STATE
                                   : NVML_ERROR_RESET_TYPE_NOT_SUPPORTED);
}

bool driver_has_model(const gpu_model *model)
{
    return model != &model_future || driver()->branch == FUTURE_BRANCH;
}

bool driver_has_profile(const gpu_profile *profile)
{
    bool since_525 = profile->number == NVML_GPU_INSTANCE_PROFILE_2_SLICE_REV1 ||
                     profile->number == NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2;
    return profile->number < driver()->profile_numbers && (!since_525 || driver()->branch >= 525);
}
