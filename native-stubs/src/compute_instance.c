#include "calls.h"
#include "clients.h"
#include "driver.h"
#include "geometry.h"
#include "handles.h"
#include "privileges.h"

#include <stdio.h>

/* ---- profiles ---------------------------------------------------------------------------------------------------- */

static nvmlReturn_t lock_profile_by_number(nvmlGpuInstance_t instance, unsigned int number, unsigned int engine_profile,
                                           target *at, const compute_profile **profile)
{
    if (number >= driver()->compute_profile_numbers || engine_profile != NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED)
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t result = lock_gpu_instance(instance, STATE_READ, at);
    if (result != NVML_SUCCESS)
        return result;
    *profile = profile_compute_by_number(at->gpu_profile, number);
    if (*profile != NULL)
        return NVML_SUCCESS;
    state_unlock(false);
    return NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t lock_profile_by_id(nvmlGpuInstance_t instance, unsigned int id, target *at,
                                       const compute_profile **profile)
{
    nvmlReturn_t result = lock_gpu_instance(instance, STATE_READ, at);
    if (result != NVML_SUCCESS)
        return result;
    *profile = profile_compute_by_id(at->gpu_profile, id);
    if (*profile != NULL)
        return NVML_SUCCESS;
    state_unlock(false);
    return NVML_ERROR_INVALID_ARGUMENT;
}

/* The members that the struct has in all versions. */
#define IN_ALL_VERSIONS(at, profile)                                                                                   \
    .id = (profile)->id, .sliceCount = (profile)->slices, .instanceCount = (profile)->max_instances,                   \
    .multiprocessorCount = compute_profile_multiprocessors((at)->model, profile),                                      \
    .sharedCopyEngineCount = (at)->gpu_profile->copy_engines, .sharedDecoderCount = (at)->gpu_profile->decoders,       \
    .sharedEncoderCount = (at)->gpu_profile->encoders, .sharedJpegCount = (at)->gpu_profile->jpegs,                    \
    .sharedOfaCount = (at)->gpu_profile->ofas

NVML_FUNCTION(nvmlGpuInstanceGetComputeInstanceProfileInfo,
              (nvmlGpuInstance_t gpuInstance, unsigned int profile, unsigned int engProfile,
               nvmlComputeInstanceProfileInfo_t *info),
              (gpuInstance, profile, engProfile, info), gpu_of_gpu_instance(gpuInstance))
{
    if (info == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    const compute_profile *found;
    nvmlReturn_t result = lock_profile_by_number(gpuInstance, profile, engProfile, &at, &found);
    if (result != NVML_SUCCESS)
        return result;
    *info = (nvmlComputeInstanceProfileInfo_t){IN_ALL_VERSIONS(&at, found)};
    return state_unlock(false);
}

NVML_FUNCTION(nvmlGpuInstanceGetComputeInstanceProfileInfoV,
              (nvmlGpuInstance_t gpuInstance, unsigned int profile, unsigned int engProfile,
               nvmlComputeInstanceProfileInfo_v2_t *info),
              (gpuInstance, profile, engProfile, info), gpu_of_gpu_instance(gpuInstance))
{
    if (info == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    bool is_v3 = info->version == NVML_STRUCT_VERSION(nvmlComputeInstanceProfileInfo_v3_t, 3);
    bool is_v2 = info->version == NVML_STRUCT_VERSION(nvmlComputeInstanceProfileInfo_v2_t, 2);
    if ((!is_v2 && !is_v3) || driver()->newest_struct < (is_v3 ? 3u : 2u))
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    const compute_profile *found;
    nvmlReturn_t result = lock_profile_by_number(gpuInstance, profile, engProfile, &at, &found);
    if (result != NVML_SUCCESS)
        return result;
    /* Version 3 begins as version 2 does. The version comes back as zero, as measured for GPU instance profiles. */
    *info = (nvmlComputeInstanceProfileInfo_v2_t){IN_ALL_VERSIONS(&at, found)};
    compute_profile_name(at.gpu_profile, found, info->name, sizeof(info->name));
    if (is_v3)
        ((nvmlComputeInstanceProfileInfo_v3_t *)(void *)info)->capabilities =
            gpu_profile_has_graphics(at.gpu_profile) ? NVML_COMPUTE_INSTANCE_PROFILE_CAPS_GFX : 0;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlGpuInstanceGetComputeInstancePossiblePlacements,
              (nvmlGpuInstance_t gpuInstance, unsigned int profileId, nvmlComputeInstancePlacement_t *placements,
               unsigned int *count),
              (gpuInstance, profileId, placements, count), gpu_of_gpu_instance(gpuInstance))
{
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    const compute_profile *profile;
    nvmlReturn_t result = lock_profile_by_id(gpuInstance, profileId, &at, &profile);
    if (result != NVML_SUCCESS)
        return result;
    unsigned int written = 0;
    for (unsigned int start = 0; start < COMPUTE_SLOTS; start++) {
        if ((profile->starts & AT(start)) == 0)
            continue;
        if (placements != NULL)
            placements[written] = (nvmlComputeInstancePlacement_t){.start = start, .size = profile->span};
        written++;
    }
    *count = written;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlGpuInstanceGetComputeInstanceRemainingCapacity,
              (nvmlGpuInstance_t gpuInstance, unsigned int profileId, unsigned int *count),
              (gpuInstance, profileId, count), gpu_of_gpu_instance(gpuInstance))
{
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    const compute_profile *profile;
    nvmlReturn_t result = lock_profile_by_id(gpuInstance, profileId, &at, &profile);
    if (result != NVML_SUCCESS)
        return result;
    *count = compute_remaining(at.gpu_profile, at.gpu_instance, profile);
    return state_unlock(false);
}

/* ---- creating and destroying ------------------------------------------------------------------------------------- */

/* The lowest id that is free in the GPU instance; MAX_COMPUTE_INSTANCES if none is. */
static unsigned int free_id(const gpu_instance_state *instance)
{
    unsigned int id = 0;
    while (id < MAX_COMPUTE_INSTANCES && instance->compute[id].exists)
        id++;
    return id;
}

/*
 * Errors of a placement, before existing instances count. The open kernel module finds no resources
 * outside the GPU instance on Ampere (kgrmgrCheckVeidsRequest), and on Hopper and newer no such slots.
 */
static nvmlReturn_t check_placement(const target *at, const compute_profile *profile,
                                    const nvmlComputeInstancePlacement_t *placement)
{
    if (placement->size != profile->span)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (placement->start < COMPUTE_SLOTS && (profile->starts & AT(placement->start)) != 0)
        return NVML_SUCCESS;
    return at->model->architecture < ARCHITECTURE_HOPPER ? NVML_ERROR_INSUFFICIENT_RESOURCES
                                                         : NVML_ERROR_INVALID_ARGUMENT;
}

/* Creates where `placement` says, or where the driver would. */
static nvmlReturn_t create(nvmlGpuInstance_t gpu_instance, unsigned int profile_id,
                           const nvmlComputeInstancePlacement_t *placement, nvmlComputeInstance_t *created)
{
    target at;
    nvmlReturn_t result = lock_gpu_instance(gpu_instance, STATE_CHANGE, &at);
    if (result != NVML_SUCCESS)
        return result;

    const compute_profile *profile = profile_compute_by_id(at.gpu_profile, profile_id);
    unsigned int id = free_id(at.gpu_instance);
    int start = -1;
    if (privileges_of_process() < PRIVILEGES_CONFIG)
        result = NVML_ERROR_NO_PERMISSION;
    else if (profile == NULL)
        result = NVML_ERROR_INVALID_ARGUMENT;
    else if (placement != NULL && check_placement(&at, profile, placement) != NVML_SUCCESS)
        result = check_placement(&at, profile, placement);
    else if (placement != NULL &&
             !fits(compute_occupied(at.gpu_profile, at.gpu_instance), placement->start, profile->span))
        /* the open kernel module says STATE_IN_USE here, where it says INSUFFICIENT_RESOURCES of GPU instances */
        result = NVML_ERROR_IN_USE;
    else if (id == MAX_COMPUTE_INSTANCES || compute_remaining(at.gpu_profile, at.gpu_instance, profile) == 0)
        result = NVML_ERROR_INSUFFICIENT_RESOURCES;
    else if (placement != NULL)
        start = (int)placement->start;
    else
        start = compute_default_start(at.model, at.gpu_profile, at.gpu_instance, profile);
    if (result == NVML_SUCCESS && start < 0)
        result = NVML_ERROR_INSUFFICIENT_RESOURCES;
    if (result != NVML_SUCCESS) {
        state_unlock(false);
        return result;
    }

    at.gpu_instance->compute[id] =
        (compute_instance_state){.exists = 1, .profile_id = profile->id, .start = (uint8_t)start};
    state_record_mig_change(at.gpu_index);
    result = state_unlock(true);
    latency_take(latency_of_change(CREATE_COMPUTE_INSTANCE, at.model->architecture));
    if (result == NVML_SUCCESS)
        *created = handle_of_compute_instance(at.gpu_index, at.gpu_instance_id, id);
    return result;
}

NVML_FUNCTION(nvmlGpuInstanceCreateComputeInstance,
              (nvmlGpuInstance_t gpuInstance, unsigned int profileId, nvmlComputeInstance_t *computeInstance),
              (gpuInstance, profileId, computeInstance), gpu_of_gpu_instance(gpuInstance))
{
    if (computeInstance == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    return create(gpuInstance, profileId, NULL, computeInstance);
}

NVML_FUNCTION(nvmlGpuInstanceCreateComputeInstanceWithPlacement,
              (nvmlGpuInstance_t gpuInstance, unsigned int profileId, const nvmlComputeInstancePlacement_t *placement,
               nvmlComputeInstance_t *computeInstance),
              (gpuInstance, profileId, placement, computeInstance), gpu_of_gpu_instance(gpuInstance))
{
    if (placement == NULL || computeInstance == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    return create(gpuInstance, profileId, placement, computeInstance);
}

NVML_FUNCTION(nvmlComputeInstanceDestroy,
              (nvmlComputeInstance_t computeInstance),
              (computeInstance), gpu_of_compute_instance(computeInstance))
{
    target at;
    nvmlReturn_t result = lock_compute_instance(computeInstance, STATE_CHANGE, &at);
    if (result != NVML_SUCCESS)
        return result;
    if (privileges_of_process() < PRIVILEGES_CONFIG)
        result = NVML_ERROR_NO_PERMISSION;
    else if (is_instance_in_use(at.gpu, at.gpu_instance_id, (int)at.compute_instance_id))
        result = NVML_ERROR_IN_USE;
    if (result != NVML_SUCCESS) {
        state_unlock(false);
        return result;
    }
    *at.compute_instance = (compute_instance_state){0};
    state_record_mig_change(at.gpu_index);
    result = state_unlock(true);
    latency_take(latency_of_change(DESTROY_COMPUTE_INSTANCE, at.model->architecture));
    return result;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

NVML_FUNCTION(nvmlGpuInstanceGetComputeInstances,
              (nvmlGpuInstance_t gpuInstance, unsigned int profileId, nvmlComputeInstance_t *computeInstances,
               unsigned int *count),
              (gpuInstance, profileId, computeInstances, count), gpu_of_gpu_instance(gpuInstance))
{
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (computeInstances == NULL) {
        *count = 0;
        return NVML_ERROR_INVALID_ARGUMENT;
    }
    target at;
    const compute_profile *profile;
    nvmlReturn_t result = lock_profile_by_id(gpuInstance, profileId, &at, &profile);
    if (result != NVML_SUCCESS)
        return result;
    if (privileges_of_process() < PRIVILEGES_MONITOR) { /* GPU instances show without it: a session printed this error here */
        state_unlock(false);
        return NVML_ERROR_NO_PERMISSION;
    }
    unsigned int written = 0;
    for (unsigned int id = 0; id < MAX_COMPUTE_INSTANCES; id++)
        if (at.gpu_instance->compute[id].exists && at.gpu_instance->compute[id].profile_id == profile->id)
            computeInstances[written++] = handle_of_compute_instance(at.gpu_index, at.gpu_instance_id, id);
    *count = written;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlGpuInstanceGetComputeInstanceById,
              (nvmlGpuInstance_t gpuInstance, unsigned int id, nvmlComputeInstance_t *computeInstance),
              (gpuInstance, id, computeInstance), gpu_of_gpu_instance(gpuInstance))
{
    if (computeInstance == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_instance(gpuInstance, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool exists = target_compute_instance(&at, id);
    state_unlock(false);
    if (privileges_of_process() < PRIVILEGES_MONITOR) /* as for the list: inferred, no session shows it */
        return NVML_ERROR_NO_PERMISSION;
    if (!exists)
        return NVML_ERROR_NOT_FOUND;
    *computeInstance = handle_of_compute_instance(at.gpu_index, at.gpu_instance_id, id);
    return NVML_SUCCESS;
}

static nvmlReturn_t get_info(nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t *info)
{
    if (info == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_compute_instance(computeInstance, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *info = (nvmlComputeInstanceInfo_t){
        /*
         * The GPU, as the header says, not the MIG device: nvidia-smi prints the index of this handle in its GPU column,
         * where sessions on real boards show the GPU's. NVIDIA's DRA driver once took a MIG UUID from it, and mended that.
         */
        .device = handle_of_gpu(at.gpu_index),
        .gpuInstance = handle_of_gpu_instance(at.gpu_index, at.gpu_instance_id),
        .id = at.compute_instance_id,
        .profileId = at.compute_profile->id,
        .placement = {.start = at.compute_instance->start, .size = at.compute_profile->span},
    };
    return state_unlock(false);
}

NVML_FUNCTION(nvmlComputeInstanceGetInfo_v2,
              (nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t *info),
              (computeInstance, info), gpu_of_compute_instance(computeInstance))
{
    return get_info(computeInstance, info);
}

NVML_FUNCTION(nvmlComputeInstanceGetInfo,
              (nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t *info),
              (computeInstance, info), gpu_of_compute_instance(computeInstance))
{
    return get_info(computeInstance, info);
}
