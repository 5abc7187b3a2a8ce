#include "models.h"

#include "nvml_abi.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

extern const gpu_model model_a30;
extern const gpu_model model_a100_sxm4_40gb;
extern const gpu_model model_a100_pcie_40gb;
extern const gpu_model model_a100_sxm4_80gb;
extern const gpu_model model_a100_80gb_pcie;
extern const gpu_model model_a800_40gb_active;
extern const gpu_model model_a800_sxm4_40gb;
extern const gpu_model model_a800_sxm4_80gb;
extern const gpu_model model_a800_80gb_pcie;
extern const gpu_model model_h100_sxm5_80gb;
extern const gpu_model model_h100_pcie_80gb;
extern const gpu_model model_h100_nvl_94gb;
extern const gpu_model model_h100_sxm5_94gb;
extern const gpu_model model_h800_sxm;
extern const gpu_model model_h800_pcie;
extern const gpu_model model_h800_nvl;
extern const gpu_model model_gh200_96gb;
extern const gpu_model model_h200_sxm;
extern const gpu_model model_h200_nvl;
extern const gpu_model model_rtx_pro_6000_server;
extern const gpu_model model_rtx_pro_6000_workstation;
extern const gpu_model model_rtx_pro_6000_maxq;
extern const gpu_model model_t4;

const gpu_model *const all_models[] = {
    &model_a30,
    &model_a100_sxm4_40gb,
    &model_a100_pcie_40gb,
    &model_a100_sxm4_80gb,
    &model_a100_80gb_pcie,
    &model_a800_40gb_active,
    &model_a800_sxm4_40gb,
    &model_a800_sxm4_80gb,
    &model_a800_80gb_pcie,
    &model_h100_sxm5_80gb,
    &model_h100_pcie_80gb,
    &model_h100_nvl_94gb,
    &model_h100_sxm5_94gb,
    &model_h800_sxm,
    &model_h800_pcie,
    &model_h800_nvl,
    &model_gh200_96gb,
    &model_h200_sxm,
    &model_h200_nvl,
    &model_rtx_pro_6000_server,
    &model_rtx_pro_6000_workstation,
    &model_rtx_pro_6000_maxq,
    &model_t4,
};
const size_t all_models_count = sizeof(all_models) / sizeof(all_models[0]);

const unknown_model unknown_models[] = {
    {"H100-96GB", "H100-96GB", "SM, engines and memory of its profiles are not known"},
    {"GH200-144G", "NVIDIA GH200 144G HBM3e", "the memory of 3g, 4g and 7g is not known"},
    {"H20-96GB", "NVIDIA H20", "SM, engines and memory from 1g.24gb up are not known"},
    {"H20-3e-141GB", "NVIDIA H20-3e", "SM, engines and memory of its profiles are not known"},
    {"B200", "NVIDIA B200", "SM and memory of 3g, 4g and 7g are not known"},
    {"GB200", "NVIDIA GB200", "SM and memory of 3g, 4g and 7g are not known"},
    {"B300", "NVIDIA B300 SXM6 AC", "SM, engines and memory of its profiles are not known"},
    {"GB300", "NVIDIA GB300", "SM, engines and memory of its profiles are not known"},
    {"RTX-PRO-5000-48GB", "NVIDIA RTX PRO 5000 Blackwell", "profile ids, SM, memory and placements are not known"},
    {"RTX-PRO-4500-32GB", "NVIDIA RTX PRO 4500 Blackwell", "profile ids, SM, memory and placements are not known"},
    {"Thor-iGPU", "Thor-iGPU", "only the names of its profiles are known"},
};
const size_t unknown_models_count = sizeof(unknown_models) / sizeof(unknown_models[0]);

/* Beginnings that mean several boards, and the one that people mean by them. */
static const struct {
    const char *beginning;
    const char *key;
} short_names[] = {
    {"H200", "H200-SXM"},
};

const gpu_model *model_find(const char *key, size_t length, bool *ambiguous)
{
    *ambiguous = false;
    if (length == 0)
        return NULL;
    if (strlen(model_future.key) == length && strncasecmp(model_future.key, key, length) == 0)
        return &model_future;
    for (size_t i = 0; i < sizeof(short_names) / sizeof(short_names[0]); i++) {
        if (strlen(short_names[i].beginning) == length && strncasecmp(short_names[i].beginning, key, length) == 0) {
            key = short_names[i].key;
            length = strlen(key);
        }
    }

    const gpu_model *found = NULL;
    for (size_t i = 0; i < all_models_count; i++) {
        if (strncasecmp(all_models[i]->key, key, length) != 0)
            continue;
        if (all_models[i]->key[length] == '\0')
            return all_models[i];
        *ambiguous = *ambiguous || found != NULL;
        found = all_models[i];
    }
    return *ambiguous ? NULL : found;
}

const unknown_model *unknown_model_find(const char *key, size_t length)
{
    for (size_t i = 0; i < unknown_models_count; i++)
        if (strlen(unknown_models[i].key) == length && strncasecmp(unknown_models[i].key, key, length) == 0)
            return &unknown_models[i];
    return NULL;
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

bool gpu_profile_has_graphics(const gpu_profile *profile)
{
    return strstr(profile->name, "+gfx") != NULL;
}

unsigned int compute_profile_multiprocessors(const gpu_model *model, const compute_profile *compute)
{
    bool wide = compute->number == NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE_REV1;
    for (size_t i = 0; i < model->profile_count; i++) {
        const gpu_profile *profile = &model->profiles[i];
        if (wide ? profile->number == NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2
                 : profile->number <= NVML_GPU_INSTANCE_PROFILE_7_SLICE && profile->slices == compute->slices)
            return profile->multiprocessors;
    }
    return 0;
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
