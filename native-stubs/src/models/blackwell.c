/*
 * Blackwell: the RTX PRO 6000 with its grid of 12 memory slices. GPU instance rows and placements: sessions on the Server
 * Edition. Profile numbers: by their names in nvml.h. Compute instance rows: sessions for 1g and 2g, for 4g inferred; their
 * placement is aligned as on Hopper (inferred). B200, GB200 and B300 are not here: nobody has shown their rows for 3g and up.
 */
#include "../models.h"

/* Compute instance profiles: number, id, slices, max, span, starts */
static const compute_profile in_1g[] = {
    {0, 0, 1, 1, 1, WHOLE},
};

static const compute_profile in_2g[] = {
    {0, 0, 1, 2, 1, AT(0) | AT(1)},
    {1, 1, 2, 1, 2, WHOLE},
};

static const compute_profile in_4g[] = {
    {0, 0, 1, 4, 1, AT(0) | AT(1) | AT(2) | AT(3)},
    {1, 1, 2, 2, 2, AT(0) | AT(2)},
    {3, 3, 4, 1, 4, WHOLE},
};

#define IN_1G COMPUTE_PROFILES(in_1g)
#define IN_2G COMPUTE_PROFILES(in_2g)
#define IN_4G COMPUTE_PROFILES(in_4g)

/* GPU instance profiles: number, id, name, slices, max, SM, CE, DEC, ENC, JPEG, OFA, MiB, span, starts, compute profiles */

static const gpu_profile rtx_pro_6000_server_profiles[] = {
    {0, 14, "MIG 1g.24gb", 1, 4, 46, 1, 1, 1, 1, 0, 24192, 3, QUARTERS_OF_12, IN_1G},
    {7, 21, "MIG 1g.24gb+me", 1, 1, 46, 1, 1, 1, 1, 1, 24192, 3, QUARTERS_OF_12, IN_1G},
    {10, 47, "MIG 1g.24gb+gfx", 1, 4, 46, 1, 1, 1, 1, 0, 24192, 3, QUARTERS_OF_12, IN_1G},
    {15, 65, "MIG 1g.24gb+me.all", 1, 1, 46, 1, 4, 4, 4, 1, 24192, 3, QUARTERS_OF_12, IN_1G},
    {13, 67, "MIG 1g.24gb-me", 1, 4, 46, 1, 0, 0, 0, 0, 24192, 3, QUARTERS_OF_12, IN_1G},
    {1, 5, "MIG 2g.48gb", 2, 2, 94, 2, 2, 2, 2, 0, 48512, 6, HALVES_OF_12, IN_2G},
    {11, 35, "MIG 2g.48gb+gfx", 2, 2, 94, 2, 2, 2, 2, 0, 48512, 6, HALVES_OF_12, IN_2G},
    {16, 64, "MIG 2g.48gb+me.all", 2, 1, 94, 2, 4, 4, 4, 1, 48512, 6, HALVES_OF_12, IN_2G},
    {14, 66, "MIG 2g.48gb-me", 2, 2, 94, 2, 0, 0, 0, 0, 48512, 6, HALVES_OF_12, IN_2G},
    {3, 0, "MIG 4g.96gb", 4, 1, 188, 4, 4, 4, 4, 1, 97408, 12, WHOLE, IN_4G},
    {12, 32, "MIG 4g.96gb+gfx", 4, 1, 188, 4, 4, 4, 4, 1, 97408, 12, WHOLE, IN_4G},
};

const gpu_model model_rtx_pro_6000_server = {
    .key = "RTX-PRO-6000-Server",
    .name = "NVIDIA RTX PRO 6000 Blackwell Server Edition",
    .note = "rows, placements and ids seen in sessions",
    .architecture = ARCHITECTURE_BLACKWELL,
    .compute_capability = {12, 0},
    .pci_device_id = 0x2BB510DE,
    .memory_mib = 97887,
    .bar1_mib = 131072,
    .derived = DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 600,
    .memory_slices = 12,
    .max_mig_devices = 4,
    PROFILES(rtx_pro_6000_server_profiles),
};

const gpu_model model_rtx_pro_6000_workstation = {
    .key = "RTX-PRO-6000-Workstation",
    .name = "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
    .note = "rows of the Server Edition, as NVIDIA's guide has them; in display mode it has no MIG",
    .architecture = ARCHITECTURE_BLACKWELL,
    .compute_capability = {12, 0},
    .pci_device_id = 0x2BB110DE,
    .memory_mib = 97887,
    .bar1_mib = 131072,
    .derived = DERIVED_BAR1,
    .has_display = true,
    .ecc = ECC_OFF,
    .power_limit_watts = 600,
    .memory_slices = 12,
    .max_mig_devices = 4,
    PROFILES(rtx_pro_6000_server_profiles),
};

const gpu_model model_rtx_pro_6000_maxq = {
    .key = "RTX-PRO-6000-MaxQ",
    .name = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
    .note = "rows seen in a session; in display mode it has no MIG",
    .architecture = ARCHITECTURE_BLACKWELL,
    .compute_capability = {12, 0},
    .pci_device_id = 0x2BB410DE,
    .memory_mib = 97887,
    .bar1_mib = 131072,
    .derived = DERIVED_BAR1,
    .has_display = true,
    .ecc = ECC_OFF,
    .power_limit_watts = 300,
    .memory_slices = 12,
    .max_mig_devices = 4,
    PROFILES(rtx_pro_6000_server_profiles),
};
