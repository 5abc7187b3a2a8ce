/*
 * Hopper. H200 GPU instance rows, placements and PCI ids: measured on an H200 (SXM), driver 580.159.04. Its compute
 * instance rows are inferred from H100 sessions (profile 15 -> compute profile 7 with 26 SM; in a 2g both 0 and 7) and
 * the aligned placement of Hopper's open kernel module. Rows that nobody has seen (REV1 inside 3g, 4g and 7g) are left out.
 */
#include "../models.h"

static const compute_profile h200_in_1g[] = {
    /* number, id, slices, max, SM, span, starts */
    {0, 0, 1, 1, 16, 1, AT(0)},
};

static const compute_profile h200_in_1g_double_memory[] = {
    {7, 7, 1, 1, 26, 1, AT(0)},
};

static const compute_profile h200_in_2g[] = {
    {0, 0, 1, 2, 16, 1, AT(0) | AT(1)},
    /* 26 of 32 SM leave no room for a second slice of 16: it takes the place of both. */
    {7, 7, 1, 1, 26, 2, AT(0)},
    {1, 1, 2, 1, 32, 2, AT(0)},
};

static const compute_profile h200_in_3g[] = {
    {0, 0, 1, 3, 16, 1, AT(0) | AT(1) | AT(2)},
    {1, 1, 2, 1, 32, 2, AT(0)},
    {2, 2, 3, 1, 60, 3, AT(0)},
};

static const compute_profile h200_in_4g[] = {
    {0, 0, 1, 4, 16, 1, AT(0) | AT(1) | AT(2) | AT(3)},
    {1, 1, 2, 2, 32, 2, AT(0) | AT(2)},
    {3, 3, 4, 1, 64, 4, AT(0)},
};

static const compute_profile h200_in_7g[] = {
    {0, 0, 1, 7, 16, 1, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6)},
    {1, 1, 2, 3, 32, 2, AT(0) | AT(2) | AT(4)},
    {2, 2, 3, 2, 60, 3, AT(0) | AT(4)},
    {3, 3, 4, 1, 64, 4, AT(0)},
    {4, 4, 7, 1, 132, 7, AT(0)},
};

static const gpu_profile h200_sxm[] = {
    /* number, id, name, slices, max, SM, CE, DEC, ENC, JPEG, OFA, MiB, span, starts, compute profiles */
    {0, 19, "MIG 1g.18gb", 1, 7, 16, 1, 1, 0, 1, 0, 16384, 1,
     AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6), COMPUTE_PROFILES(h200_in_1g)},
    {7, 20, "MIG 1g.18gb+me", 1, 1, 16, 1, 1, 0, 1, 1, 16384, 1,
     AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6), COMPUTE_PROFILES(h200_in_1g)},
    {9, 15, "MIG 1g.35gb", 1, 4, 26, 1, 1, 0, 1, 0, 33280, 2,
     AT(0) | AT(2) | AT(4) | AT(6), COMPUTE_PROFILES(h200_in_1g_double_memory)},
    {1, 14, "MIG 2g.35gb", 2, 3, 32, 2, 2, 0, 2, 0, 33280, 2, AT(0) | AT(2) | AT(4), COMPUTE_PROFILES(h200_in_2g)},
    {2, 9, "MIG 3g.71gb", 3, 2, 60, 3, 3, 0, 3, 0, 71424, 4, AT(0) | AT(4), COMPUTE_PROFILES(h200_in_3g)},
    {3, 5, "MIG 4g.71gb", 4, 1, 64, 4, 4, 0, 4, 0, 71424, 4, AT(0), COMPUTE_PROFILES(h200_in_4g)},
    {4, 0, "MIG 7g.141gb", 7, 1, 132, 8, 7, 0, 7, 1, 143360, 8, AT(0), COMPUTE_PROFILES(h200_in_7g)},
};

const gpu_model model_h200_sxm = {
    .key = "H200-SXM",
    .name = "NVIDIA H200",
    .pci_device_id = 0x233510DE,
    .pci_subsystem_id = 0x18BF10DE,
    .memory_slices = 8,
    .max_mig_devices = 7,
    .compute_placement = COMPUTE_PLACEMENT_LEAST_LOSS,
    .profiles = h200_sxm,
    .profile_count = sizeof(h200_sxm) / sizeof(h200_sxm[0]),
};
