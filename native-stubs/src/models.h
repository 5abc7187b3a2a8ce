/* GPU models as tables: everything about a GPU that differs between models, and nothing that a rule decides. */
#ifndef STUB_MODELS_H
#define STUB_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of placement starts, bit n for start n. */
#define AT(start) (UINT32_C(1) << (start))

/* Rule for compute instance placement, which came with the architecture. */
typedef enum {
    COMPUTE_PLACEMENT_FIRST_FIT, /* Ampere: the lowest free start, no alignment */
    COMPUTE_PLACEMENT_LEAST_LOSS /* Hopper and newer: aligned starts, the one that costs the least remaining capacity */
} compute_placement_rule;

typedef struct {
    uint8_t number; /* NVML_COMPUTE_INSTANCE_PROFILE_... */
    uint8_t id;
    uint8_t slices;
    uint8_t max_instances;
    uint16_t multiprocessors;
    uint8_t span; /* compute slices that it takes up: more than `slices` for the double-width REV1 */
    uint32_t starts;
} compute_profile;

typedef struct {
    uint8_t number; /* NVML_GPU_INSTANCE_PROFILE_... */
    uint8_t id;
    const char *name;
    uint8_t slices; /* compute slices */
    uint8_t max_instances;
    uint16_t multiprocessors;
    uint8_t copy_engines;
    uint8_t decoders;
    uint8_t encoders;
    uint8_t jpegs;
    uint8_t ofas;
    uint32_t memory_mib;
    uint8_t span; /* memory slices */
    uint32_t starts;
    const compute_profile *compute_profiles;
    size_t compute_profile_count;
} gpu_profile;

typedef struct {
    const char *key; /* the name in NVML_STUB_GPUS */
    const char *name;
    uint32_t pci_device_id;
    uint32_t pci_subsystem_id; /* 0: not known */
    uint8_t memory_slices;
    uint8_t max_mig_devices;
    compute_placement_rule compute_placement;
    const gpu_profile *profiles; /* in the order in which nvidia-smi lists them */
    size_t profile_count;
} gpu_model;

#define COMPUTE_PROFILES(table) (table), sizeof(table) / sizeof((table)[0])

extern const gpu_model model_a100_sxm4_40gb;
extern const gpu_model model_h200_sxm;

extern const gpu_model *const all_models[];
extern const size_t all_models_count;

/* The model with that key, or the only one whose key begins so; else NULL, `ambiguous` saying which of the two. */
const gpu_model *model_find(const char *key, size_t length, bool *ambiguous);

const gpu_profile *model_profile_by_number(const gpu_model *model, unsigned int number);
const gpu_profile *model_profile_by_id(const gpu_model *model, unsigned int id);
const compute_profile *profile_compute_by_number(const gpu_profile *profile, unsigned int number);
const compute_profile *profile_compute_by_id(const gpu_profile *profile, unsigned int id);

/* "MIG 3g.20gb" for the compute instance that takes the whole GPU instance, "MIG 1c.3g.20gb" for a part. */
void compute_profile_name(const gpu_profile *profile, const compute_profile *compute, char *name, size_t size);

#endif
