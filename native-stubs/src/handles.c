#include "handles.h"

#include "attachment.h"

#include <string.h>

static char gpu_tokens[MAX_GPUS];
static char gpu_instance_tokens[MAX_GPUS][MAX_GPU_INSTANCE_IDS];
static char compute_instance_tokens[MAX_GPUS][MAX_GPU_INSTANCE_IDS][MAX_COMPUTE_INSTANCES];
static char mig_device_tokens[MAX_GPUS][MAX_GPU_INSTANCE_IDS][MAX_COMPUTE_INSTANCES];

nvmlDevice_t handle_of_gpu(unsigned int gpu)
{
    return (nvmlDevice_t)(void *)&gpu_tokens[gpu];
}

nvmlDevice_t handle_of_mig_device(unsigned int gpu, unsigned int gpu_instance, unsigned int compute_instance)
{
    return (nvmlDevice_t)(void *)&mig_device_tokens[gpu][gpu_instance][compute_instance];
}

nvmlGpuInstance_t handle_of_gpu_instance(unsigned int gpu, unsigned int gpu_instance)
{
    return (nvmlGpuInstance_t)(void *)&gpu_instance_tokens[gpu][gpu_instance];
}

nvmlComputeInstance_t handle_of_compute_instance(unsigned int gpu, unsigned int gpu_instance,
                                                 unsigned int compute_instance)
{
    return (nvmlComputeInstance_t)(void *)&compute_instance_tokens[gpu][gpu_instance][compute_instance];
}

/* The position of a handle in an array of tokens, or -1. */
static long token_index(const void *handle, const void *tokens, size_t count)
{
    uintptr_t offset = (uintptr_t)handle - (uintptr_t)tokens;
    return offset < count ? (long)offset : -1;
}

static bool target_gpu(target *of, machine_state *machine, long gpu)
{
    memset(of, 0, sizeof(*of));
    if (gpu < 0 || gpu >= attachment_gpu_count(machine))
        return false;
    of->gpu_index = (unsigned int)gpu;
    of->model = state_model((unsigned int)gpu);
    of->gpu = &machine->gpus[gpu];
    return true;
}

bool target_gpu_instance(target *of, unsigned int id)
{
    if (id >= MAX_GPU_INSTANCE_IDS || !of->gpu->instances[id].exists)
        return false;
    of->gpu_instance_id = id;
    of->gpu_instance = &of->gpu->instances[id];
    of->gpu_profile = model_profile_by_id(of->model, of->gpu_instance->profile_id);
    return true;
}

bool target_compute_instance(target *of, unsigned int id)
{
    if (id >= MAX_COMPUTE_INSTANCES || !of->gpu_instance->compute[id].exists)
        return false;
    of->compute_instance_id = id;
    of->compute_instance = &of->gpu_instance->compute[id];
    of->compute_profile = profile_compute_by_id(of->gpu_profile, of->compute_instance->profile_id);
    return true;
}

/* Completes a target from the index of a token for [gpu][gpu instance][compute instance]. */
static bool target_from_compute_token(target *of, machine_state *machine, long token)
{
    return target_gpu(of, machine, token < 0 ? -1 : token / (MAX_GPU_INSTANCE_IDS * MAX_COMPUTE_INSTANCES)) &&
           target_gpu_instance(of, (unsigned int)(token / MAX_COMPUTE_INSTANCES % MAX_GPU_INSTANCE_IDS)) &&
           target_compute_instance(of, (unsigned int)(token % MAX_COMPUTE_INSTANCES));
}

/* Keeps the lock if there is something to work on. */
static nvmlReturn_t keep_if(bool exists, const target *found)
{
    nvmlReturn_t result = found->gpu != NULL && found->gpu->lost ? NVML_ERROR_GPU_IS_LOST
                          : exists                               ? NVML_SUCCESS
                                                                 : NVML_ERROR_INVALID_ARGUMENT;
    if (result != NVML_SUCCESS)
        state_unlock(false);
    return result;
}

int gpu_of_device(nvmlDevice_t device)
{
    long token = token_index(device, gpu_tokens, sizeof(gpu_tokens));
    if (token >= 0)
        return (int)token;
    token = token_index(device, mig_device_tokens, sizeof(mig_device_tokens));
    return token < 0 ? -1 : (int)(token / (MAX_GPU_INSTANCE_IDS * MAX_COMPUTE_INSTANCES));
}

int gpu_of_gpu_instance(nvmlGpuInstance_t instance)
{
    long token = token_index(instance, gpu_instance_tokens, sizeof(gpu_instance_tokens));
    return token < 0 ? -1 : (int)(token / MAX_GPU_INSTANCE_IDS);
}

int gpu_of_compute_instance(nvmlComputeInstance_t instance)
{
    long token = token_index(instance, compute_instance_tokens, sizeof(compute_instance_tokens));
    return token < 0 ? -1 : (int)(token / (MAX_GPU_INSTANCE_IDS * MAX_COMPUTE_INSTANCES));
}

nvmlReturn_t lock_gpu(nvmlDevice_t device, state_access access, target *found)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(access, &machine);
    if (result != NVML_SUCCESS)
        return result;
    return keep_if(target_gpu(found, machine, token_index(device, gpu_tokens, sizeof(gpu_tokens))), found);
}

nvmlReturn_t lock_gpu_or_mig_device(nvmlDevice_t device, state_access access, target *found)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(access, &machine);
    if (result != NVML_SUCCESS)
        return result;
    return keep_if(target_gpu(found, machine, token_index(device, gpu_tokens, sizeof(gpu_tokens))) ||
                   target_from_compute_token(found, machine,
                                             token_index(device, mig_device_tokens, sizeof(mig_device_tokens))),
                   found);
}

nvmlReturn_t lock_gpu_without_mig_device(nvmlDevice_t device, target *found)
{
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, found);
    if (result == NVML_SUCCESS && found->compute_instance != NULL) {
        state_unlock(false);
        result = NVML_ERROR_NOT_SUPPORTED;
    }
    return result;
}

nvmlReturn_t lock_gpu_instance(nvmlGpuInstance_t instance, state_access access, target *found)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(access, &machine);
    if (result != NVML_SUCCESS)
        return result;
    long token = token_index(instance, gpu_instance_tokens, sizeof(gpu_instance_tokens));
    bool exists = target_gpu(found, machine, token < 0 ? -1 : token / MAX_GPU_INSTANCE_IDS) &&
                  target_gpu_instance(found, (unsigned int)(token % MAX_GPU_INSTANCE_IDS));
    return keep_if(exists, found);
}

nvmlReturn_t lock_compute_instance(nvmlComputeInstance_t instance, state_access access, target *found)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(access, &machine);
    if (result != NVML_SUCCESS)
        return result;
    long token = token_index(instance, compute_instance_tokens, sizeof(compute_instance_tokens));
    return keep_if(target_from_compute_token(found, machine, token), found);
}
