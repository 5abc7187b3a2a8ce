#include "geometry.h"

#include "driver.h"

static uint32_t slices(unsigned int start, unsigned int span)
{
    return (uint32_t)(((UINT64_C(1) << span) - 1) << start);
}

static bool has_start(uint32_t starts, unsigned int start)
{
    return (starts >> start & 1) != 0;
}

bool fits(uint32_t occupied, unsigned int start, unsigned int span)
{
    return (occupied & slices(start, span)) == 0;
}

bool occupy(uint32_t *occupied, unsigned int start, unsigned int span)
{
    if (!fits(*occupied, start, span))
        return false;
    *occupied |= slices(start, span);
    return true;
}

/* How many instances can stand in the free slices at the same time, filling from the lowest start. */
static unsigned int room_for(uint32_t occupied, uint32_t starts, unsigned int span)
{
    unsigned int room = 0;
    for (unsigned int start = 0; start < 32; start++) {
        if (has_start(starts, start) && occupy(&occupied, start, span))
            room++;
    }
    return room;
}

static unsigned int smaller(unsigned int a, unsigned int b)
{
    return a < b ? a : b;
}

/* ---- GPU instances ----------------------------------------------------------------------------------------------- */

uint32_t gpu_occupied(const gpu_model *model, const gpu_state *gpu)
{
    uint32_t occupied = 0;
    for (unsigned int id = 0; id < MAX_GPU_INSTANCE_IDS; id++) {
        const gpu_instance_state *instance = &gpu->instances[id];
        if (instance->exists)
            occupied |= slices(instance->start, model_profile_by_id(model, instance->profile_id)->span);
    }
    return occupied;
}

bool gpu_has_instances(const gpu_state *gpu)
{
    for (unsigned int id = 0; id < MAX_GPU_INSTANCE_IDS; id++)
        if (gpu->instances[id].exists)
            return true;
    return false;
}

unsigned int gpu_existing(const gpu_state *gpu, const gpu_profile *profile)
{
    unsigned int existing = 0;
    for (unsigned int id = 0; id < MAX_GPU_INSTANCE_IDS; id++)
        if (gpu->instances[id].exists && gpu->instances[id].profile_id == profile->id)
            existing++;
    return existing;
}

enum { ENGINE_KINDS = 5 };

static void engines_of(const gpu_profile *profile, unsigned int engines[ENGINE_KINDS])
{
    engines[0] = profile->copy_engines;
    engines[1] = profile->decoders;
    engines[2] = profile->encoders;
    engines[3] = profile->jpegs;
    engines[4] = profile->ofas;
}

/*
 * How many more instances of a profile the engines that are left suffice for. A GPU has as many of a kind as its largest
 * profile. On 7-slice GPUs this never decides; it is why an A30 has one "+me" of either size, and why nothing with
 * engines stands beside a "+me.all" (both inferred).
 */
static unsigned int engines_left_for(const gpu_model *model, const gpu_state *gpu, const gpu_profile *profile)
{
    unsigned int total[ENGINE_KINDS] = {0};
    unsigned int used[ENGINE_KINDS] = {0};
    unsigned int engines[ENGINE_KINDS];
    for (size_t i = 0; i < model->profile_count; i++) {
        engines_of(&model->profiles[i], engines);
        for (unsigned int kind = 0; kind < ENGINE_KINDS; kind++) {
            if (engines[kind] > total[kind])
                total[kind] = engines[kind];
            used[kind] += engines[kind] * gpu_existing(gpu, &model->profiles[i]);
        }
    }
    unsigned int room = profile->max_instances;
    engines_of(profile, engines);
    for (unsigned int kind = 0; kind < ENGINE_KINDS; kind++) {
        if (engines[kind] > 0)
            room = smaller(room, total[kind] < used[kind] ? 0 : (total[kind] - used[kind]) / engines[kind]);
    }
    return room;
}

/* Before R510, the driver put no 3g beside a 4g (NVIDIA's guide). */
static bool may_stand_beside(const gpu_model *model, const gpu_state *gpu, const gpu_profile *profile)
{
    unsigned int other = profile->number == NVML_GPU_INSTANCE_PROFILE_3_SLICE   ? NVML_GPU_INSTANCE_PROFILE_4_SLICE
                         : profile->number == NVML_GPU_INSTANCE_PROFILE_4_SLICE ? NVML_GPU_INSTANCE_PROFILE_3_SLICE
                                                                                : UINT32_MAX;
    const gpu_profile *excluded = model_profile_by_number(model, other);
    return driver()->branch >= 510 || excluded == NULL || gpu_existing(gpu, excluded) == 0;
}

unsigned int gpu_remaining(const gpu_model *model, const gpu_state *gpu, const gpu_profile *profile)
{
    if (!may_stand_beside(model, gpu, profile))
        return 0;
    unsigned int places = room_for(gpu_occupied(model, gpu), profile->starts, profile->span);
    unsigned int allowed = smaller(profile->max_instances - gpu_existing(gpu, profile), engines_left_for(model, gpu, profile));
    return smaller(allowed, places);
}

/* The profiles 1g to 4g without attributes: those whose places the driver tries to keep free. */
static bool is_plain(const gpu_profile *profile)
{
    return profile->number <= NVML_GPU_INSTANCE_PROFILE_4_SLICE;
}

static unsigned int plain_places_left(const gpu_model *model, uint32_t occupied)
{
    unsigned int places = 0;
    for (size_t i = 0; i < model->profile_count; i++) {
        const gpu_profile *profile = &model->profiles[i];
        for (unsigned int start = 0; is_plain(profile) && start < model->memory_slices; start++)
            if (has_start(profile->starts, start) && fits(occupied, start, profile->span))
                places++;
    }
    return places;
}

/*
 * The driver takes the place that leaves the most (profile, start) pairs free for plain profiles, the lowest of several.
 * Its open kernel module says as much for compute slices ("will reduce the remaining capacity the least"); for memory
 * slices the choice runs in closed firmware, and this rule reproduces 28 of the 29 sessions that we know of. The double-
 * memory 1g prefers the starts that a 2g has too and takes the last one, which a 2g cannot use, only when nothing else is
 * left (inferred).
 */
int gpu_default_start(const gpu_model *model, const gpu_state *gpu, const gpu_profile *profile)
{
    uint32_t occupied = gpu_occupied(model, gpu);
    uint32_t starts = profile->starts;
    if (profile->number == NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2) {
        const gpu_profile *two_slices = model_profile_by_number(model, NVML_GPU_INSTANCE_PROFILE_2_SLICE);
        if (two_slices != NULL && room_for(occupied, starts & two_slices->starts, profile->span) > 0)
            starts &= two_slices->starts;
    }

    int best = -1;
    unsigned int best_left = 0;
    for (unsigned int start = 0; start < model->memory_slices; start++) {
        if (!has_start(starts, start) || !fits(occupied, start, profile->span))
            continue;
        unsigned int left = plain_places_left(model, occupied | slices(start, profile->span));
        if (best < 0 || left > best_left) {
            best = (int)start;
            best_left = left;
        }
    }
    return best;
}

/*
 * The id follows from the span alone: 0 is the whole GPU, 1 and 2 its halves, 3 to 6 its quarters, 7 to 14 its eighths
 * (NVIDIA's open kernel module, kmigmgrMemSizeFlagToSwizzIdRange_GA100). Depending on which units of the chip are
 * defective, a real board may have the ids of its two halves swapped; both kinds were seen in one machine.
 */
unsigned int gpu_instance_id(const gpu_model *model, const gpu_state *gpu, unsigned int start, unsigned int span)
{
    unsigned int parts = model->memory_slices / span; /* 1, 2, 4 or 8 */
    if (gpu->swapped && parts > 1)
        start = (start + model->memory_slices / 2u) % model->memory_slices;
    return parts - 1 + start / span;
}

/* ---- compute instances ------------------------------------------------------------------------------------------- */

uint32_t compute_occupied(const gpu_profile *profile, const gpu_instance_state *instance)
{
    uint32_t occupied = 0;
    for (unsigned int id = 0; id < MAX_COMPUTE_INSTANCES; id++) {
        const compute_instance_state *compute = &instance->compute[id];
        if (compute->exists)
            occupied |= slices(compute->start, profile_compute_by_id(profile, compute->profile_id)->span);
    }
    return occupied;
}

/* The compute slices of a GPU instance that no compute instance has. */
static unsigned int slices_left(const gpu_profile *profile, const gpu_instance_state *instance)
{
    unsigned int used = 0;
    for (unsigned int id = 0; id < MAX_COMPUTE_INSTANCES; id++)
        if (instance->compute[id].exists)
            used += profile_compute_by_id(profile, instance->compute[id].profile_id)->slices;
    return used > profile->slices ? 0 : profile->slices - used;
}

unsigned int compute_remaining(const gpu_profile *profile, const gpu_instance_state *instance,
                               const compute_profile *compute)
{
    unsigned int existing = 0;
    for (unsigned int id = 0; id < MAX_COMPUTE_INSTANCES; id++)
        if (instance->compute[id].exists && instance->compute[id].profile_id == compute->id)
            existing++;
    unsigned int allowed =
        smaller(compute->max_instances - existing, slices_left(profile, instance) / compute->slices);
    return smaller(allowed, room_for(compute_occupied(profile, instance), compute->starts, compute->span));
}

static unsigned int compute_places_left(const gpu_profile *profile, uint32_t occupied)
{
    unsigned int places = 0;
    for (size_t i = 0; i < profile->compute_profile_count; i++) {
        const compute_profile *compute = &profile->compute_profiles[i];
        for (unsigned int start = 0; start < COMPUTE_SLOTS; start++)
            if (has_start(compute->starts, start) && fits(occupied, start, compute->span))
                places++;
    }
    return places;
}

/*
 * Ampere takes the lowest free start and aligns nothing; since Hopper the driver takes, of the aligned starts, the one that
 * costs the least remaining capacity (NVIDIA's open kernel module: kgrmgrCheckVeidsRequest, kmigmgrGetFreeCTSId).
 */
int compute_default_start(const gpu_model *model, const gpu_profile *profile, const gpu_instance_state *instance,
                          const compute_profile *compute)
{
    uint32_t occupied = compute_occupied(profile, instance);
    int best = -1;
    unsigned int best_left = 0;
    for (unsigned int start = 0; start < COMPUTE_SLOTS; start++) {
        if (!has_start(compute->starts, start) || !fits(occupied, start, compute->span))
            continue;
        if (model->architecture < ARCHITECTURE_HOPPER)
            return (int)start;
        unsigned int left = compute_places_left(profile, occupied | slices(start, compute->span));
        if (best < 0 || left > best_left) {
            best = (int)start;
            best_left = left;
        }
    }
    return best;
}
