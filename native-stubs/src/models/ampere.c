/*
 * Ampere. GPU instance rows: nvidia-smi -lgip and -lgipp of A100-SXM4-40GB boards (4.75/9.75/19.62/39.38 GiB; other
 * drivers print other roundings). Compute instance rows of 2g, 3g and 4g: -lcip of A100s; of 7g: the counts that NVIDIA's
 * own mock and mig-parted agree on, with every start that fits, since Ampere's driver aligns nothing.
 */
#include "../models.h"

static const compute_profile a100_in_1g[] = {
    /* number, id, slices, max, SM, span, starts */
    {0, 0, 1, 1, 14, 1, AT(0)},
};

static const compute_profile a100_in_2g[] = {
    {0, 0, 1, 2, 14, 1, AT(0) | AT(1)},
    {1, 1, 2, 1, 28, 2, AT(0)},
};

static const compute_profile a100_in_3g[] = {
    {0, 0, 1, 3, 14, 1, AT(0) | AT(1) | AT(2)},
    {1, 1, 2, 1, 28, 2, AT(0) | AT(1)},
    {2, 2, 3, 1, 42, 3, AT(0)},
};

static const compute_profile a100_in_4g[] = {
    {0, 0, 1, 4, 14, 1, AT(0) | AT(1) | AT(2) | AT(3)},
    {1, 1, 2, 2, 28, 2, AT(0) | AT(2)},
    {3, 3, 4, 1, 56, 4, AT(0)},
};

static const compute_profile a100_in_7g[] = {
    {0, 0, 1, 7, 14, 1, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6)},
    {1, 1, 2, 3, 28, 2, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5)},
    {2, 2, 3, 2, 42, 3, AT(0) | AT(1) | AT(2) | AT(3) | AT(4)},
    {3, 3, 4, 1, 56, 4, AT(0) | AT(1) | AT(2) | AT(3)},
    {4, 4, 7, 1, 98, 7, AT(0)},
};

static const gpu_profile a100_sxm4_40gb[] = {
    /* number, id, name, slices, max, SM, CE, DEC, ENC, JPEG, OFA, MiB, span, starts, compute profiles */
    {0, 19, "MIG 1g.5gb", 1, 7, 14, 1, 0, 0, 0, 0, 4864, 1,
     AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6), COMPUTE_PROFILES(a100_in_1g)},
    {7, 20, "MIG 1g.5gb+me", 1, 1, 14, 1, 1, 0, 1, 1, 4864, 1,
     AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6), COMPUTE_PROFILES(a100_in_1g)},
    {9, 15, "MIG 1g.10gb", 1, 4, 14, 1, 1, 0, 0, 0, 9984, 2,
     AT(0) | AT(2) | AT(4) | AT(6), COMPUTE_PROFILES(a100_in_1g)},
    {1, 14, "MIG 2g.10gb", 2, 3, 28, 2, 1, 0, 0, 0, 9984, 2, AT(0) | AT(2) | AT(4), COMPUTE_PROFILES(a100_in_2g)},
    {2, 9, "MIG 3g.20gb", 3, 2, 42, 3, 2, 0, 0, 0, 20096, 4, AT(0) | AT(4), COMPUTE_PROFILES(a100_in_3g)},
    {3, 5, "MIG 4g.20gb", 4, 1, 56, 4, 2, 0, 0, 0, 20096, 4, AT(0), COMPUTE_PROFILES(a100_in_4g)},
    {4, 0, "MIG 7g.40gb", 7, 1, 98, 7, 5, 0, 1, 1, 40320, 8, AT(0), COMPUTE_PROFILES(a100_in_7g)},
};

const gpu_model model_a100_sxm4_40gb = {
    .key = "A100-SXM4-40GB",
    .name = "NVIDIA A100-SXM4-40GB",
    .pci_device_id = 0x20B010DE,
    .memory_slices = 8,
    .max_mig_devices = 7,
    .compute_placement = COMPUTE_PLACEMENT_FIRST_FIT,
    .profiles = a100_sxm4_40gb,
    .profile_count = sizeof(a100_sxm4_40gb) / sizeof(a100_sxm4_40gb[0]),
};
