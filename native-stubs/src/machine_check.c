#include "machine_check.h"

#include "driver.h"
#include "geometry.h"

#include <string.h>

/* Whether the compute instances of a GPU instance can stand together. */
static bool are_compute_instances(const gpu_profile *profile, const gpu_instance_state *instance)
{
    uint32_t occupied = 0;
    unsigned int slices = 0;
    for (unsigned int id = 0; id < MAX_COMPUTE_INSTANCES; id++) {
        const compute_instance_state *compute = &instance->compute[id];
        if (!compute->exists)
            continue;
        const compute_profile *taken = profile_compute_by_id(profile, compute->profile_id);
        if (taken == NULL || compute->start >= COMPUTE_SLOTS || (taken->starts & AT(compute->start)) == 0 ||
            !occupy(&occupied, compute->start, taken->span))
            return false;
        slices += taken->slices;
    }
    return slices <= profile->slices;
}

/* Whether the instances of a GPU can stand together, each where its id says. */
static bool are_instances(const gpu_model *model, const gpu_state *gpu)
{
    uint32_t occupied = 0;
    for (unsigned int id = 0; id < MAX_GPU_INSTANCE_IDS; id++) {
        const gpu_instance_state *instance = &gpu->instances[id];
        if (!instance->exists)
            continue;
        const gpu_profile *profile = model_profile_by_id(model, instance->profile_id);
        if (!gpu->mig_enabled || instance->activity > 101 || profile == NULL || instance->start >= model->memory_slices ||
            (profile->starts & AT(instance->start)) == 0 ||
            gpu_instance_id(model, gpu, instance->start, profile->span) != id ||
            !occupy(&occupied, instance->start, profile->span) || !are_compute_instances(profile, instance))
            return false;
    }
    for (size_t i = 0; i < model->profile_count; i++)
        if (gpu_existing(gpu, &model->profiles[i]) > model->profiles[i].max_instances)
            return false;
    return true;
}

/*
 * Whether bytes that claim to be a machine are one that calls could have made: whatever a file holds, no call may be led
 * out of an array by it, and no caller be given more instances than a profile has.
 */
bool machine_is_possible(const machine_state *of, const gpu_model *models_of[MAX_GPUS])
{
    if (of->gpu_count == 0 || of->gpu_count > MAX_GPUS)
        return false;
    for (unsigned int g = 0; g < of->gpu_count; g++) {
        const gpu_state *gpu = &of->gpus[g];
        bool ambiguous;
        size_t length = strnlen(gpu->model, MODEL_KEY_SIZE);
        models_of[g] = length == MODEL_KEY_SIZE ? NULL : model_find(gpu->model, length, &ambiguous);
        if (models_of[g] == NULL || !driver_has_model(models_of[g]) || gpu->swapped > 1 || gpu->in_vm > 1 || gpu->lost > 1 ||
            gpu->persistence_off > 1 || gpu->compute_mode > NVML_COMPUTEMODE_EXCLUSIVE_PROCESS ||
            gpu->row_remap_pending > 1 || gpu->row_remap_failed > 1 || gpu->activity > 101 || gpu->mig_enabled > 1 ||
            gpu->mig_pending > 1 || !are_instances(models_of[g], gpu))
            return false;
        for (unsigned int i = 0; i < MAX_CLIENTS; i++)
            if (gpu->clients[i].name[sizeof(gpu->clients[i].name) - 1] != '\0')
                return false;
    }
    return true;
}
