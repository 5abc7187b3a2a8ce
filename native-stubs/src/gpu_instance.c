#include "calls.h"
#include "clients.h"
#include "driver.h"
#include "geometry.h"
#include "handles.h"
#include "privileges.h"

#include <stdio.h>
#include <string.h>

/* ---- profiles ---------------------------------------------------------------------------------------------------- */

static nvmlReturn_t lock_profile_by_number(nvmlDevice_t device, unsigned int number, target *at,
                                           const gpu_profile **profile)
{
    nvmlReturn_t result = lock_gpu(device, STATE_READ, at);
    if (result != NVML_SUCCESS)
        return result;
    *profile = model_profile_by_number(at->model, number);
    if (*profile != NULL && driver_has_profile(*profile))
        return NVML_SUCCESS;
    state_unlock(false);
    /* A driver knows more numbers than a GPU has profiles. */
    return number < driver()->profile_numbers ? NVML_ERROR_NOT_SUPPORTED : NVML_ERROR_INVALID_ARGUMENT;
}

static nvmlReturn_t lock_profile_by_id(nvmlDevice_t device, unsigned int id, state_access access, target *at,
                                       const gpu_profile **profile)
{
    nvmlReturn_t result = lock_gpu(device, access, at);
    if (result != NVML_SUCCESS)
        return result;
    *profile = model_profile_by_id(at->model, id);
    if (*profile != NULL && driver_has_profile(*profile))
        return NVML_SUCCESS;
    state_unlock(false);
    return at->model->profile_count == 0 ? NVML_ERROR_NOT_SUPPORTED : NVML_ERROR_INVALID_ARGUMENT;
}

/* The members that the struct has in all versions, in other places. */
#define IN_ALL_VERSIONS(profile)                                                                                       \
    .id = (profile)->id, .sliceCount = (profile)->slices, .instanceCount = (profile)->max_instances,                   \
    .multiprocessorCount = (profile)->multiprocessors, .copyEngineCount = (profile)->copy_engines,                     \
    .decoderCount = (profile)->decoders, .encoderCount = (profile)->encoders, .jpegCount = (profile)->jpegs,           \
    .ofaCount = (profile)->ofas, .memorySizeMB = (profile)->memory_mib

NVML_FUNCTION(nvmlDeviceGetGpuInstanceProfileInfo,
              (nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_t *info),
              (device, profile, info), gpu_of_device(device))
{
    if (info == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    const gpu_profile *found;
    nvmlReturn_t result = lock_profile_by_number(device, profile, &at, &found);
    if (result != NVML_SUCCESS)
        return result;
    *info = (nvmlGpuInstanceProfileInfo_t){IN_ALL_VERSIONS(found)};
    return state_unlock(false);
}

static void fill_v2(nvmlGpuInstanceProfileInfo_v2_t *info, const gpu_profile *profile)
{
    *info = (nvmlGpuInstanceProfileInfo_v2_t){IN_ALL_VERSIONS(profile)};
    snprintf(info->name, sizeof(info->name), "%s", profile->name);
}

/*
 * Measured on driver 580: it fills version 3 properly but for the name, which it puts where version 2 has it, made of what
 * version 2 has at the places of slices and memory: the instance count and a zero. Version 3's own name stays empty.
 */
static void fill_v3(nvmlGpuInstanceProfileInfo_v3_t *info, const gpu_profile *profile)
{
    *info = (nvmlGpuInstanceProfileInfo_v3_t){
        IN_ALL_VERSIONS(profile),
        .capabilities = gpu_profile_has_graphics(profile) ? NVML_GPU_INSTANCE_PROFILE_CAPS_GFX : 0,
    };
    size_t misplaced = offsetof(nvmlGpuInstanceProfileInfo_v2_t, name);
    snprintf((char *)info + misplaced, offsetof(nvmlGpuInstanceProfileInfo_v3_t, capabilities) - misplaced,
             "MIG %ug.0gb%s", profile->max_instances, profile->name + strcspn(profile->name, "+-"));
}

static bool is_known_version(unsigned int version)
{
    unsigned int newest = driver()->newest_struct;
    return (newest >= 2 && version == NVML_STRUCT_VERSION(nvmlGpuInstanceProfileInfo_v2_t, 2)) ||
           (newest >= 3 && version == NVML_STRUCT_VERSION(nvmlGpuInstanceProfileInfo_v3_t, 3));
}

/* The version member says which struct `info` really is. It comes back as zero: measured on driver 580. */
static void fill_versioned(nvmlGpuInstanceProfileInfo_v2_t *info, const gpu_profile *profile)
{
    if (info->version == NVML_STRUCT_VERSION(nvmlGpuInstanceProfileInfo_v3_t, 3))
        fill_v3((nvmlGpuInstanceProfileInfo_v3_t *)(void *)info, profile);
    else
        fill_v2(info, profile);
}

NVML_FUNCTION(nvmlDeviceGetGpuInstanceProfileInfoV,
              (nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_v2_t *info),
              (device, profile, info), gpu_of_device(device))
{
    if (info == NULL || !is_known_version(info->version))
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    const gpu_profile *found;
    nvmlReturn_t result = lock_profile_by_number(device, profile, &at, &found);
    if (result != NVML_SUCCESS)
        return result;
    fill_versioned(info, found);
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetGpuInstanceProfileInfoByIdV,
              (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstanceProfileInfo_v2_t *info),
              (device, profileId, info), gpu_of_device(device))
{
    if (info == NULL || !is_known_version(info->version))
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    const gpu_profile *found;
    nvmlReturn_t result = lock_profile_by_id(device, profileId, STATE_READ, &at, &found);
    if (result != NVML_SUCCESS)
        return result;
    fill_versioned(info, found);
    return state_unlock(false);
}

/* Measured on driver 580: the incoming count is ignored, a short buffer is overrun. NULL asks for the count alone. */
static nvmlReturn_t list_placements(nvmlDevice_t device, unsigned int profileId,
                                    nvmlGpuInstancePlacement_t *placements, unsigned int *count)
{
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    const gpu_profile *profile;
    nvmlReturn_t result = lock_profile_by_id(device, profileId, STATE_READ, &at, &profile);
    if (result != NVML_SUCCESS)
        return result;
    unsigned int written = 0;
    for (unsigned int start = 0; start < at.model->memory_slices; start++) {
        if ((profile->starts & AT(start)) == 0)
            continue;
        if (placements != NULL)
            placements[written] = (nvmlGpuInstancePlacement_t){.start = start, .size = profile->span};
        written++;
    }
    *count = written;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetGpuInstancePossiblePlacements_v2,
              (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstancePlacement_t *placements,
               unsigned int *count),
              (device, profileId, placements, count), gpu_of_device(device))
{
    return list_placements(device, profileId, placements, count);
}

NVML_FUNCTION(nvmlDeviceGetGpuInstancePossiblePlacements,
              (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstancePlacement_t *placements,
               unsigned int *count),
              (device, profileId, placements, count), gpu_of_device(device))
{
    return list_placements(device, profileId, placements, count);
}

NVML_FUNCTION(nvmlDeviceGetGpuInstanceRemainingCapacity,
              (nvmlDevice_t device, unsigned int profileId, unsigned int *count),
              (device, profileId, count), gpu_of_device(device))
{
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    const gpu_profile *profile;
    nvmlReturn_t result = lock_profile_by_id(device, profileId, STATE_READ, &at, &profile);
    if (result != NVML_SUCCESS)
        return result;
    *count = gpu_remaining(at.model, at.gpu, profile);
    return state_unlock(false);
}

/* ---- creating and destroying ------------------------------------------------------------------------------------- */

/* Creates where `placement` says, or where the driver would. */
static nvmlReturn_t create(nvmlDevice_t device, unsigned int profile_id, const nvmlGpuInstancePlacement_t *placement,
                           nvmlGpuInstance_t *created)
{
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_CHANGE, &at);
    if (result != NVML_SUCCESS)
        return result;

    const gpu_profile *profile = model_profile_by_id(at.model, profile_id);
    int start = -1;
    /* The order of the open kernel module: permission, mode, arguments. */
    if (privileges_of_process() < PRIVILEGES_CONFIG)
        result = NVML_ERROR_NO_PERMISSION;
    else if (!at.gpu->mig_enabled)
        result = NVML_ERROR_NOT_SUPPORTED;
    else if (profile == NULL || !driver_has_profile(profile))
        result = NVML_ERROR_INVALID_ARGUMENT;
    else if (placement != NULL && (placement->size != profile->span || placement->start >= at.model->memory_slices ||
                                   (profile->starts & AT(placement->start)) == 0))
        result = NVML_ERROR_INVALID_ARGUMENT;
    else if (!gpu_has_instances(at.gpu) && is_whole_gpu_in_use(at.gpu)) /* looked at for the first one only */
        result = NVML_ERROR_IN_USE;
    else if (gpu_remaining(at.model, at.gpu, profile) == 0)
        result = NVML_ERROR_INSUFFICIENT_RESOURCES;
    else if (placement == NULL)
        start = gpu_default_start(at.model, at.gpu, profile);
    else if (fits(gpu_occupied(at.model, at.gpu), placement->start, profile->span))
        start = (int)placement->start;
    if (result == NVML_SUCCESS && start < 0)
        result = NVML_ERROR_INSUFFICIENT_RESOURCES;
    if (result != NVML_SUCCESS) {
        state_unlock(false);
        return result;
    }

    unsigned int id = gpu_instance_id(at.model, at.gpu, (unsigned int)start, profile->span);
    at.gpu->instances[id] =
        (gpu_instance_state){.exists = 1, .profile_id = profile->id, .start = (uint8_t)start};
    state_record_mig_change(at.gpu_index);
    result = state_unlock(true);
    latency_take(latency_of_change(CREATE_GPU_INSTANCE, at.model->architecture));
    if (result == NVML_SUCCESS)
        *created = handle_of_gpu_instance(at.gpu_index, id);
    return result;
}

NVML_FUNCTION(nvmlDeviceCreateGpuInstance,
              (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstance_t *gpuInstance),
              (device, profileId, gpuInstance), gpu_of_device(device))
{
    if (gpuInstance == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    return create(device, profileId, NULL, gpuInstance);
}

NVML_FUNCTION(nvmlDeviceCreateGpuInstanceWithPlacement,
              (nvmlDevice_t device, unsigned int profileId, const nvmlGpuInstancePlacement_t *placement,
               nvmlGpuInstance_t *gpuInstance),
              (device, profileId, placement, gpuInstance), gpu_of_device(device))
{
    if (placement == NULL || gpuInstance == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    return create(device, profileId, placement, gpuInstance);
}

NVML_FUNCTION(nvmlGpuInstanceDestroy, (nvmlGpuInstance_t gpuInstance), (gpuInstance), gpu_of_gpu_instance(gpuInstance))
{
    target at;
    nvmlReturn_t result = lock_gpu_instance(gpuInstance, STATE_CHANGE, &at);
    if (result != NVML_SUCCESS)
        return result;
    if (privileges_of_process() < PRIVILEGES_CONFIG)
        result = NVML_ERROR_NO_PERMISSION;
    else if (compute_occupied(at.gpu_profile, at.gpu_instance) != 0 ||
             is_instance_in_use(at.gpu, at.gpu_instance_id, -1))
        result = NVML_ERROR_IN_USE;
    if (result != NVML_SUCCESS) {
        state_unlock(false);
        return result;
    }
    *at.gpu_instance = (gpu_instance_state){0};
    state_record_mig_change(at.gpu_index);
    result = state_unlock(true);
    latency_take(latency_of_change(DESTROY_GPU_INSTANCE, at.model->architecture));
    return result;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

NVML_FUNCTION(nvmlDeviceGetGpuInstances,
              (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstance_t *gpuInstances, unsigned int *count),
              (device, profileId, gpuInstances, count), gpu_of_device(device))
{
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (gpuInstances == NULL) {
        *count = 0;
        return NVML_ERROR_INVALID_ARGUMENT;
    }
    target at;
    const gpu_profile *profile;
    nvmlReturn_t result = lock_profile_by_id(device, profileId, STATE_READ, &at, &profile);
    if (result != NVML_SUCCESS)
        return result;
    unsigned int written = 0;
    for (unsigned int id = 0; id < MAX_GPU_INSTANCE_IDS; id++)
        if (at.gpu->instances[id].exists && at.gpu->instances[id].profile_id == profile->id)
            gpuInstances[written++] = handle_of_gpu_instance(at.gpu_index, id);
    *count = written;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetGpuInstanceById,
              (nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *gpuInstance),
              (device, id, gpuInstance), gpu_of_device(device))
{
    if (gpuInstance == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool exists = target_gpu_instance(&at, id);
    state_unlock(false);
    if (!exists) {
        latency_take(latency_of_absent_instance());
        return NVML_ERROR_NOT_FOUND;
    }
    *gpuInstance = handle_of_gpu_instance(at.gpu_index, id);
    return NVML_SUCCESS;
}

NVML_FUNCTION(nvmlGpuInstanceGetInfo,
              (nvmlGpuInstance_t gpuInstance, nvmlGpuInstanceInfo_t *info),
              (gpuInstance, info), gpu_of_gpu_instance(gpuInstance))
{
    if (info == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_instance(gpuInstance, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *info = (nvmlGpuInstanceInfo_t){
        .device = handle_of_gpu(at.gpu_index),
        .id = at.gpu_instance_id,
        .profileId = at.gpu_profile->id,
        .placement = {.start = at.gpu_instance->start, .size = at.gpu_profile->span},
    };
    return state_unlock(false);
}
