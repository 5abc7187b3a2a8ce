#include "models.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const gpu_model *const all_models[] = {
    &model_a100_sxm4_40gb,
    &model_h200_sxm,
};
const size_t all_models_count = sizeof(all_models) / sizeof(all_models[0]);

const gpu_model *model_find(const char *key, size_t length, bool *ambiguous)
{
    const gpu_model *found = NULL;
    *ambiguous = false;
    if (length == 0)
        return NULL;
    for (size_t i = 0; i < all_models_count; i++) {
        if (strncasecmp(all_models[i]->key, key, length) != 0)
            continue;
        if (all_models[i]->key[length] == '\0')
            return all_models[i];
        *ambiguous = found != NULL;
        found = all_models[i];
    }
    return *ambiguous ? NULL : found;
}

const gpu_profile *model_profile_by_number(const gpu_model *model, unsigned int number)
{
    for (size_t i = 0; i < model->profile_count; i++)
        if (model->profiles[i].number == number)
            return &model->profiles[i];
    return NULL;
}

const gpu_profile *model_profile_by_id(const gpu_model *model, unsigned int id)
{
    for (size_t i = 0; i < model->profile_count; i++)
        if (model->profiles[i].id == id)
            return &model->profiles[i];
    return NULL;
}

const compute_profile *profile_compute_by_number(const gpu_profile *profile, unsigned int number)
{
    for (size_t i = 0; i < profile->compute_profile_count; i++)
        if (profile->compute_profiles[i].number == number)
            return &profile->compute_profiles[i];
    return NULL;
}

const compute_profile *profile_compute_by_id(const gpu_profile *profile, unsigned int id)
{
    for (size_t i = 0; i < profile->compute_profile_count; i++)
        if (profile->compute_profiles[i].id == id)
            return &profile->compute_profiles[i];
    return NULL;
}

void compute_profile_name(const gpu_profile *profile, const compute_profile *compute, char *name, size_t size)
{
    /* A compute instance never carries its GPU instance's "+me". */
    const char *base = profile->name + strlen("MIG ");
    int base_length = (int)strcspn(base, "+");
    if (compute->slices == profile->slices)
        snprintf(name, size, "MIG %.*s", base_length, base);
    else
        snprintf(name, size, "MIG %uc.%.*s", compute->slices, base_length, base);
}
