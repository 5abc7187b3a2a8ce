/* GPU models as tables: everything about a GPU that differs between models, and nothing that a rule decides. */
#ifndef STUB_MODELS_H
#define STUB_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sets of placement starts, bit n for start n. */
#define AT(start) (UINT32_C(1) << (start))
#define WHOLE AT(0)
#define EIGHTHS (AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6)) /* the eighth has memory but no compute slice */
#define QUARTERS_OF_8 (AT(0) | AT(2) | AT(4) | AT(6))
#define FIRST_QUARTERS_OF_8 (AT(0) | AT(2) | AT(4))
#define HALVES_OF_8 (AT(0) | AT(4))
#define QUARTERS_OF_4 (AT(0) | AT(1) | AT(2) | AT(3))
#define HALVES_OF_4 (AT(0) | AT(2))
#define QUARTERS_OF_12 (AT(0) | AT(3) | AT(6) | AT(9))
#define HALVES_OF_12 (AT(0) | AT(6))

/* Numbered as NVML_DEVICE_ARCH_... Rules that came with an architecture compare with these. */
typedef enum {
    ARCHITECTURE_TURING = 6,
    ARCHITECTURE_AMPERE = 7,
    ARCHITECTURE_HOPPER = 9,
    ARCHITECTURE_BLACKWELL = 10
} gpu_architecture;

/* Numbered as NVML_BRAND_... */
typedef enum { BRAND_NOT_KNOWN = 0, BRAND_NVIDIA = 14 } gpu_brand;

/* Whether a board comes with error correction. */
typedef enum { ECC_NOT_KNOWN, ECC_OFF, ECC_ON } gpu_ecc;

typedef struct {
    uint8_t number; /* NVML_COMPUTE_INSTANCE_PROFILE_... */
    uint8_t id;
    uint8_t slices;
    uint8_t max_instances;
    uint8_t span; /* compute slots that it covers: since Hopper more than `slices` where those are 3 or 7, and for REV1 */
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

/*
 * Derived, where no session shows them: total memory is that of the board with the same chip and memory, BAR1 the power of
 * two that the published memory size reaches, as on all boards that show it.
 */
enum { DERIVED_MEMORY = 1, DERIVED_BAR1 = 2 };

/* Compute slots of a GPU, at most. */
enum { COMPUTE_SLOTS = 8 };

typedef struct {
    const char *key; /* the name in NVML_STUB_GPUS */
    const char *name;
    const char *note; /* how well it is known */
    gpu_architecture architecture;
    uint8_t compute_capability[2];
    uint32_t pci_device_id;
    uint32_t pci_subsystem_id; /* 0: not known */
    uint32_t memory_mib;
    uint32_t bar1_mib;
    uint8_t derived;           /* which of the two no session shows: DERIVED_... */
    uint32_t reserved_bytes;   /* of it, by the driver; 0: not known */
    uint32_t bar1_used_bytes;  /* when nothing runs; 0: not known */
    /*
     * Brand, error correction and power limit as nvidia-smi prints them on such boards, or on all boards for data centres;
     * power limits also by NVIDIA's data sheets. Idle readings of one board, and what its VBIOS says.
     */
    bool has_display;          /* connectors: PCI calls it a VGA controller, and not a 3D controller */
    bool has_ats;              /* shares the address translation of its CPU */
    gpu_brand brand;
    gpu_ecc ecc;
    uint16_t power_limit_watts; /* 0: not known, or different from one to the next */
    uint8_t idle_celsius;       /* 0: not known */
    uint32_t idle_milliwatts;   /* 0: not known */
    const char *vbios_version;  /* NULL: not known */
    uint8_t memory_slices;
    uint8_t max_mig_devices;
    const gpu_profile *profiles; /* in the order in which nvidia-smi lists them; none: no MIG */
    size_t profile_count;
} gpu_model;

#define PROFILES(table) .profiles = (table), .profile_count = sizeof(table) / sizeof((table)[0])
#define COMPUTE_PROFILES(table) (table), sizeof(table) / sizeof((table)[0])

/* The GPU that does not exist yet, for drivers that know it; it is in no list. */
extern const gpu_model model_future;

extern const gpu_model *const all_models[];
extern const size_t all_models_count;

/* GPUs with MIG of which too little is known to simulate them truly. */
typedef struct {
    const char *key;
    const char *name;
    const char *missing;
} unknown_model;

extern const unknown_model unknown_models[];
extern const size_t unknown_models_count;

/* The model with that key, or the only one whose key begins so; else NULL, `ambiguous` saying which of the two. */
const gpu_model *model_find(const char *key, size_t length, bool *ambiguous);

/* The GPU with that key of which too little is known; else NULL. */
const unknown_model *unknown_model_find(const char *key, size_t length);

const gpu_profile *model_profile_by_number(const gpu_model *model, unsigned int number);
const gpu_profile *model_profile_by_id(const gpu_model *model, unsigned int id);
const compute_profile *profile_compute_by_number(const gpu_profile *profile, unsigned int number);
const compute_profile *profile_compute_by_id(const gpu_profile *profile, unsigned int id);

/* Whether its instances can draw: the header's capability, which the name tells too. Measured 0 for all profiles of an H200. */
bool gpu_profile_has_graphics(const gpu_profile *profile);

/* The SM of a compute instance: those of the GPU instance profile with as many slices. */
unsigned int compute_profile_multiprocessors(const gpu_model *model, const compute_profile *compute);

/* "MIG 3g.20gb" for the compute instance that takes the whole GPU instance, "MIG 1c.3g.20gb" for a part. */
void compute_profile_name(const gpu_profile *profile, const compute_profile *compute, char *name, size_t size);

#endif
