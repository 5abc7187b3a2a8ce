/*
 * Hopper. GPU instance rows: measured on an H200, nvidia-smi -lgip and -lgipp of the other boards; each model's note says
 * how well it is known. Compute instance rows: H100 sessions (profile 15 holds compute profile 7; a 2g holds 0, 7 and 1).
 * Rows that nobody has seen (REV1 inside 3g, 4g and 7g) are left out. Places: the aligned slots of Hopper's open kernel
 * module (kernel_mig_manager.c), where a 3c covers 4 slots and a 7c 8; an H100 lists 0:4 for the 3c of a 3g. More slots
 * than slices may be free: then the slices decide.
 */
#include "../models.h"

/* Compute instance profiles: number, id, slices, max, span, starts */
static const compute_profile in_1g[] = {
    {0, 0, 1, 1, 1, WHOLE},
};

/* Sessions create profile 7 by default, at 0:2; NVIDIA's own agents create profile 0: both are there (inferred). */
static const compute_profile in_1g_double_memory[] = {
    {0, 0, 1, 1, 1, AT(0) | AT(1)},
    {7, 7, 1, 1, 2, WHOLE},
};

static const compute_profile in_2g[] = {
    {0, 0, 1, 2, 1, AT(0) | AT(1)},
    /* One at most: with its 26 of 32 SM there is no room for a slice of 16 beside it, so it takes the place of both. */
    {7, 7, 1, 1, 2, WHOLE},
    {1, 1, 2, 1, 2, WHOLE},
};

static const compute_profile in_3g[] = {
    {0, 0, 1, 3, 1, AT(0) | AT(1) | AT(2) | AT(3)},
    {1, 1, 2, 1, 2, AT(0) | AT(2)},
    {2, 2, 3, 1, 4, WHOLE},
};

static const compute_profile in_4g[] = {
    {0, 0, 1, 4, 1, AT(0) | AT(1) | AT(2) | AT(3)},
    {1, 1, 2, 2, 2, AT(0) | AT(2)},
    {3, 3, 4, 1, 4, WHOLE},
};

static const compute_profile in_7g[] = {
    {0, 0, 1, 7, 1, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6) | AT(7)},
    {1, 1, 2, 3, 2, AT(0) | AT(2) | AT(4) | AT(6)},
    {2, 2, 3, 2, 4, AT(0) | AT(4)},
    {3, 3, 4, 1, 4, AT(0) | AT(4)},
    {4, 4, 7, 1, 8, WHOLE},
};

#define IN_1G COMPUTE_PROFILES(in_1g)
#define IN_1G_DOUBLE COMPUTE_PROFILES(in_1g_double_memory)
#define IN_2G COMPUTE_PROFILES(in_2g)
#define IN_3G COMPUTE_PROFILES(in_3g)
#define IN_4G COMPUTE_PROFILES(in_4g)
#define IN_7G COMPUTE_PROFILES(in_7g)

/* GPU instance profiles: number, id, name, slices, max, SM, CE, DEC, ENC, JPEG, OFA, MiB, span, starts, compute profiles */

static const gpu_profile h100_sxm5_80gb_profiles[] = {
    {0, 19, "MIG 1g.10gb", 1, 7, 16, 1, 1, 0, 1, 0, 9984, 1, EIGHTHS, IN_1G},
    {7, 20, "MIG 1g.10gb+me", 1, 1, 16, 1, 1, 0, 1, 1, 9984, 1, EIGHTHS, IN_1G},
    {9, 15, "MIG 1g.20gb", 1, 4, 26, 1, 1, 0, 1, 0, 20096, 2, QUARTERS_OF_8, IN_1G_DOUBLE},
    {1, 14, "MIG 2g.20gb", 2, 3, 32, 2, 2, 0, 2, 0, 20096, 2, FIRST_QUARTERS_OF_8, IN_2G},
    {2, 9, "MIG 3g.40gb", 3, 2, 60, 3, 3, 0, 3, 0, 40448, 4, HALVES_OF_8, IN_3G},
    {3, 5, "MIG 4g.40gb", 4, 1, 64, 4, 4, 0, 4, 0, 40448, 4, WHOLE, IN_4G},
    {4, 0, "MIG 7g.80gb", 7, 1, 132, 8, 7, 0, 7, 1, 81152, 8, WHOLE, IN_7G},
};

const gpu_model model_h100_sxm5_80gb = {
    .key = "H100-SXM5-80GB",
    .name = "NVIDIA H100 80GB HBM3",
    .note = "rows seen in sessions; most compute instance rows inferred",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x233010DE,
    .memory_mib = 81559,
    .bar1_mib = 131072,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 700,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(h100_sxm5_80gb_profiles),
};

static const gpu_profile h100_pcie_80gb_profiles[] = {
    {0, 19, "MIG 1g.10gb", 1, 7, 14, 1, 1, 0, 1, 0, 9984, 1, EIGHTHS, IN_1G},
    {7, 20, "MIG 1g.10gb+me", 1, 1, 14, 1, 1, 0, 1, 1, 9984, 1, EIGHTHS, IN_1G},
    {9, 15, "MIG 1g.20gb", 1, 4, 14, 1, 1, 0, 1, 0, 20096, 2, QUARTERS_OF_8, IN_1G_DOUBLE},
    {1, 14, "MIG 2g.20gb", 2, 3, 30, 2, 2, 0, 2, 0, 20096, 2, FIRST_QUARTERS_OF_8, IN_2G},
    {2, 9, "MIG 3g.40gb", 3, 2, 46, 3, 3, 0, 3, 0, 40448, 4, HALVES_OF_8, IN_3G},
    {3, 5, "MIG 4g.40gb", 4, 1, 62, 4, 4, 0, 4, 0, 40448, 4, WHOLE, IN_4G},
    {4, 0, "MIG 7g.80gb", 7, 1, 114, 8, 7, 0, 7, 1, 81152, 8, WHOLE, IN_7G},
};

const gpu_model model_h100_pcie_80gb = {
    .key = "H100-PCIe-80GB",
    .name = "NVIDIA H100 PCIe",
    .note = "rows seen in a session, driver 570; compute instance rows inferred",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x233110DE,
    .memory_mib = 81559,
    .bar1_mib = 131072,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 350,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(h100_pcie_80gb_profiles),
};

static const gpu_profile h100_nvl_94gb_profiles[] = {
    {0, 19, "MIG 1g.12gb", 1, 7, 16, 1, 1, 0, 1, 0, 11008, 1, EIGHTHS, IN_1G},
    {7, 20, "MIG 1g.12gb+me", 1, 1, 16, 1, 1, 0, 1, 1, 11008, 1, EIGHTHS, IN_1G},
    {9, 15, "MIG 1g.24gb", 1, 4, 26, 1, 1, 0, 1, 0, 22144, 2, QUARTERS_OF_8, IN_1G_DOUBLE},
    {1, 14, "MIG 2g.24gb", 2, 3, 32, 2, 2, 0, 2, 0, 22144, 2, FIRST_QUARTERS_OF_8, IN_2G},
    {2, 9, "MIG 3g.47gb", 3, 2, 60, 3, 3, 0, 3, 0, 47488, 4, HALVES_OF_8, IN_3G},
    {3, 5, "MIG 4g.47gb", 4, 1, 64, 4, 4, 0, 4, 0, 47488, 4, WHOLE, IN_4G},
    {4, 0, "MIG 7g.94gb", 7, 1, 132, 8, 7, 0, 7, 1, 95360, 8, WHOLE, IN_7G},
};

const gpu_model model_h100_nvl_94gb = {
    .key = "H100-NVL-94GB",
    .name = "NVIDIA H100 NVL",
    .note = "rows and placements seen in sessions",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x232110DE,
    .memory_mib = 95830,
    .bar1_mib = 131072,
    .derived = DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 400,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(h100_nvl_94gb_profiles),
};

const gpu_model model_h100_sxm5_94gb = {
    .key = "H100-SXM5-94GB",
    .name = "NVIDIA H100",
    .note = "rows of the H100 NVL",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x233910DE,
    .memory_mib = 95830,
    .bar1_mib = 131072,
    .derived = DERIVED_MEMORY | DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(h100_nvl_94gb_profiles),
};

const gpu_model model_h800_sxm = {
    .key = "H800-SXM",
    .name = "NVIDIA H800",
    .note = "rows of the H100 SXM",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x232410DE,
    .memory_mib = 81559,
    .bar1_mib = 131072,
    .derived = DERIVED_MEMORY | DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 700,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(h100_sxm5_80gb_profiles),
};

const gpu_model model_h800_pcie = {
    .key = "H800-PCIe",
    .name = "NVIDIA H800 PCIe",
    .note = "rows of the H100 PCIe",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x232210DE,
    .memory_mib = 81559,
    .bar1_mib = 131072,
    .derived = DERIVED_MEMORY | DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 350,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(h100_pcie_80gb_profiles),
};

const gpu_model model_h800_nvl = {
    .key = "H800-NVL",
    .name = "NVIDIA H800 NVL",
    .note = "rows of the H100 NVL",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x233A10DE,
    .memory_mib = 95830,
    .bar1_mib = 131072,
    .derived = DERIVED_MEMORY | DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(h100_nvl_94gb_profiles),
};

static const gpu_profile gh200_96gb_profiles[] = {
    {0, 19, "MIG 1g.12gb", 1, 7, 16, 1, 1, 0, 1, 0, 11264, 1, EIGHTHS, IN_1G},
    {7, 20, "MIG 1g.12gb+me", 1, 1, 16, 1, 1, 0, 1, 1, 11264, 1, EIGHTHS, IN_1G},
    {9, 15, "MIG 1g.24gb", 1, 4, 26, 1, 1, 0, 1, 0, 23552, 2, QUARTERS_OF_8, IN_1G_DOUBLE},
    {1, 14, "MIG 2g.24gb", 2, 3, 32, 2, 2, 0, 2, 0, 23552, 2, FIRST_QUARTERS_OF_8, IN_2G},
    {2, 9, "MIG 3g.48gb", 3, 2, 60, 3, 3, 0, 3, 0, 47616, 4, HALVES_OF_8, IN_3G},
    {3, 5, "MIG 4g.48gb", 4, 1, 64, 4, 4, 0, 4, 0, 47616, 4, WHOLE, IN_4G},
    {4, 0, "MIG 7g.96gb", 7, 1, 132, 8, 7, 0, 7, 1, 95232, 8, WHOLE, IN_7G},
};

const gpu_model model_gh200_96gb = {
    .key = "GH200-96GB",
    .name = "NVIDIA GH200 480GB",
    .note = "rows seen in sessions",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x234210DE,
    .memory_mib = 97871,
    .bar1_mib = 131072,
    .derived = DERIVED_BAR1,
    .has_ats = true,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(gh200_96gb_profiles),
};

static const gpu_profile h200_sxm_profiles[] = {
    {0, 19, "MIG 1g.18gb", 1, 7, 16, 1, 1, 0, 1, 0, 16384, 1, EIGHTHS, IN_1G},
    {7, 20, "MIG 1g.18gb+me", 1, 1, 16, 1, 1, 0, 1, 1, 16384, 1, EIGHTHS, IN_1G},
    {9, 15, "MIG 1g.35gb", 1, 4, 26, 1, 1, 0, 1, 0, 33280, 2, QUARTERS_OF_8, IN_1G_DOUBLE},
    {1, 14, "MIG 2g.35gb", 2, 3, 32, 2, 2, 0, 2, 0, 33280, 2, FIRST_QUARTERS_OF_8, IN_2G},
    {2, 9, "MIG 3g.71gb", 3, 2, 60, 3, 3, 0, 3, 0, 71424, 4, HALVES_OF_8, IN_3G},
    {3, 5, "MIG 4g.71gb", 4, 1, 64, 4, 4, 0, 4, 0, 71424, 4, WHOLE, IN_4G},
    {4, 0, "MIG 7g.141gb", 7, 1, 132, 8, 7, 0, 7, 1, 143360, 8, WHOLE, IN_7G},
};

const gpu_model model_h200_sxm = {
    .key = "H200-SXM",
    .name = "NVIDIA H200",
    .note = "measured on driver 580.159.04; compute instance rows inferred from the H100",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x233510DE,
    .pci_subsystem_id = 0x18BF10DE,
    .memory_mib = 143771,
    .reserved_bytes = 644939776,
    .bar1_mib = 262144,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 700,
    .idle_celsius = 39,
    .idle_milliwatts = 80290,
    .vbios_version = "96.00.A5.00.1A",
    .bar1_used_bytes = 1703936,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(h200_sxm_profiles),
};

const gpu_model model_h200_nvl = {
    .key = "H200-NVL",
    .name = "NVIDIA H200 NVL",
    .note = "rows of the H200",
    .architecture = ARCHITECTURE_HOPPER,
    .compute_capability = {9, 0},
    .pci_device_id = 0x233B10DE,
    .memory_mib = 143771,
    .bar1_mib = 262144,
    .derived = DERIVED_MEMORY | DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 600,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(h200_sxm_profiles),
};
