/*
 * Ampere. GPU instance rows: nvidia-smi -lgip and -lgipp of real boards; each model's note says how well it is known.
 * Compute instance rows of 2g, 3g and 4g: -lcip of A100s; of 7g: the counts that NVIDIA's own mock and mig-parted agree on,
 * Starts: every one that fits, since Ampere's driver aligns nothing (open kernel module).
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

static const compute_profile in_3g[] = {
    {0, 0, 1, 3, 1, AT(0) | AT(1) | AT(2)},
    {1, 1, 2, 1, 2, AT(0) | AT(1)},
    {2, 2, 3, 1, 3, WHOLE},
};

static const compute_profile in_4g[] = {
    {0, 0, 1, 4, 1, AT(0) | AT(1) | AT(2) | AT(3)},
    {1, 1, 2, 2, 2, AT(0) | AT(1) | AT(2)},
    {3, 3, 4, 1, 4, WHOLE},
};

static const compute_profile in_7g[] = {
    {0, 0, 1, 7, 1, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6)},
    {1, 1, 2, 3, 2, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5)},
    {2, 2, 3, 2, 3, AT(0) | AT(1) | AT(2) | AT(3) | AT(4)},
    {3, 3, 4, 1, 4, AT(0) | AT(1) | AT(2) | AT(3)},
    {4, 4, 7, 1, 7, WHOLE},
};

#define IN_1G COMPUTE_PROFILES(in_1g)
#define IN_2G COMPUTE_PROFILES(in_2g)
#define IN_3G COMPUTE_PROFILES(in_3g)
#define IN_4G COMPUTE_PROFILES(in_4g)
#define IN_7G COMPUTE_PROFILES(in_7g)

/* GPU instance profiles: number, id, name, slices, max, SM, CE, DEC, ENC, JPEG, OFA, MiB, span, starts, compute profiles */

static const gpu_profile a30_profiles[] = {
    {0, 14, "MIG 1g.6gb", 1, 4, 14, 1, 1, 0, 0, 0, 5952, 1, QUARTERS_OF_4, IN_1G},
    {7, 21, "MIG 1g.6gb+me", 1, 1, 14, 1, 1, 0, 1, 1, 5952, 1, QUARTERS_OF_4, IN_1G},
    {1, 5, "MIG 2g.12gb", 2, 2, 28, 2, 2, 0, 0, 0, 11968, 2, HALVES_OF_4, IN_2G},
    {8, 6, "MIG 2g.12gb+me", 2, 1, 28, 2, 2, 0, 1, 1, 11968, 2, HALVES_OF_4, IN_2G},
    {3, 0, "MIG 4g.24gb", 4, 1, 56, 4, 4, 0, 1, 1, 24000, 4, WHOLE, IN_4G},
};

const gpu_model model_a30 = {
    .key = "A30",
    .name = "NVIDIA A30",
    .note = "rows seen in a session, driver 535; compute instances of 4g from NVIDIA's mock",
    .architecture = ARCHITECTURE_AMPERE,
    .compute_capability = {8, 0},
    .pci_device_id = 0x20B710DE,
    .memory_mib = 24576,
    .bar1_mib = 32768,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 165,
    .idle_celsius = 47,
    .idle_milliwatts = 32000,
    .memory_slices = 4,
    .max_mig_devices = 4,
    PROFILES(a30_profiles),
};

static const gpu_profile a100_sxm4_40gb_profiles[] = {
    {0, 19, "MIG 1g.5gb", 1, 7, 14, 1, 0, 0, 0, 0, 4864, 1, EIGHTHS, IN_1G},
    {7, 20, "MIG 1g.5gb+me", 1, 1, 14, 1, 1, 0, 1, 1, 4864, 1, EIGHTHS, IN_1G},
    {9, 15, "MIG 1g.10gb", 1, 4, 14, 1, 1, 0, 0, 0, 9984, 2, QUARTERS_OF_8, IN_1G},
    {1, 14, "MIG 2g.10gb", 2, 3, 28, 2, 1, 0, 0, 0, 9984, 2, FIRST_QUARTERS_OF_8, IN_2G},
    {2, 9, "MIG 3g.20gb", 3, 2, 42, 3, 2, 0, 0, 0, 20096, 4, HALVES_OF_8, IN_3G},
    {3, 5, "MIG 4g.20gb", 4, 1, 56, 4, 2, 0, 0, 0, 20096, 4, WHOLE, IN_4G},
    {4, 0, "MIG 7g.40gb", 7, 1, 98, 7, 5, 0, 1, 1, 40320, 8, WHOLE, IN_7G},
};

const gpu_model model_a100_sxm4_40gb = {
    .key = "A100-SXM4-40GB",
    .name = "NVIDIA A100-SXM4-40GB",
    .note = "rows seen in sessions; other drivers print 4.75/9.62/19.50/39.25 GiB",
    .architecture = ARCHITECTURE_AMPERE,
    .compute_capability = {8, 0},
    .pci_device_id = 0x20B010DE,
    .memory_mib = 40960,
    .bar1_mib = 65536,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 400,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(a100_sxm4_40gb_profiles),
};

const gpu_model model_a100_pcie_40gb = {
    .key = "A100-PCIE-40GB",
    .name = "NVIDIA A100-PCIE-40GB",
    .note = "rows of the SXM4 board",
    .architecture = ARCHITECTURE_AMPERE,
    .compute_capability = {8, 0},
    .pci_device_id = 0x20F110DE,
    .memory_mib = 40960,
    .bar1_mib = 65536,
    .derived = DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 250,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(a100_sxm4_40gb_profiles),
};

static const gpu_profile a100_sxm4_80gb_profiles[] = {
    {0, 19, "MIG 1g.10gb", 1, 7, 14, 1, 0, 0, 0, 0, 9728, 1, EIGHTHS, IN_1G},
    {7, 20, "MIG 1g.10gb+me", 1, 1, 14, 1, 1, 0, 1, 1, 9728, 1, EIGHTHS, IN_1G},
    {9, 15, "MIG 1g.20gb", 1, 4, 14, 1, 1, 0, 0, 0, 19968, 2, QUARTERS_OF_8, IN_1G},
    {1, 14, "MIG 2g.20gb", 2, 3, 28, 2, 1, 0, 0, 0, 19968, 2, FIRST_QUARTERS_OF_8, IN_2G},
    {2, 9, "MIG 3g.40gb", 3, 2, 42, 3, 2, 0, 0, 0, 40192, 4, HALVES_OF_8, IN_3G},
    {3, 5, "MIG 4g.40gb", 4, 1, 56, 4, 2, 0, 0, 0, 40192, 4, WHOLE, IN_4G},
    {4, 0, "MIG 7g.80gb", 7, 1, 98, 7, 5, 0, 1, 1, 80896, 8, WHOLE, IN_7G},
};

const gpu_model model_a100_sxm4_80gb = {
    .key = "A100-SXM4-80GB",
    .name = "NVIDIA A100-SXM4-80GB",
    .note = "rows seen in sessions",
    .architecture = ARCHITECTURE_AMPERE,
    .compute_capability = {8, 0},
    .pci_device_id = 0x20B210DE,
    .memory_mib = 81920,
    .bar1_mib = 131072,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 400,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(a100_sxm4_80gb_profiles),
};

const gpu_model model_a100_80gb_pcie = {
    .key = "A100-80GB-PCIe",
    .name = "NVIDIA A100 80GB PCIe",
    .note = "rows seen in sessions",
    .architecture = ARCHITECTURE_AMPERE,
    .compute_capability = {8, 0},
    .pci_device_id = 0x20B510DE,
    .memory_mib = 81920,
    .bar1_mib = 131072,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 300,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(a100_sxm4_80gb_profiles),
};

const gpu_model model_a800_40gb_active = {
    .key = "A800-40GB-Active",
    .name = "NVIDIA A800 40GB Active",
    .note = "rows of the A100-40GB",
    .architecture = ARCHITECTURE_AMPERE,
    .compute_capability = {8, 0},
    .pci_device_id = 0x20F610DE,
    .memory_mib = 40960,
    .bar1_mib = 65536,
    .derived = DERIVED_MEMORY | DERIVED_BAR1,
    .has_display = true,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(a100_sxm4_40gb_profiles),
};

const gpu_model model_a800_sxm4_40gb = {
    .key = "A800-SXM4-40GB",
    .name = "NVIDIA A800-SXM4-40GB",
    .note = "rows of the A100-40GB",
    .architecture = ARCHITECTURE_AMPERE,
    .compute_capability = {8, 0},
    .pci_device_id = 0x20BD10DE,
    .memory_mib = 40960,
    .bar1_mib = 65536,
    .derived = DERIVED_MEMORY | DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(a100_sxm4_40gb_profiles),
};

const gpu_model model_a800_sxm4_80gb = {
    .key = "A800-SXM4-80GB",
    .name = "NVIDIA A800-SXM4-80GB",
    .note = "rows of the A100-80GB",
    .architecture = ARCHITECTURE_AMPERE,
    .compute_capability = {8, 0},
    .pci_device_id = 0x20F310DE,
    .memory_mib = 81920,
    .bar1_mib = 131072,
    .derived = DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 400,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(a100_sxm4_80gb_profiles),
};

const gpu_model model_a800_80gb_pcie = {
    .key = "A800-80GB-PCIe",
    .name = "NVIDIA A800 80GB PCIe",
    .note = "rows of the A100-80GB",
    .architecture = ARCHITECTURE_AMPERE,
    .compute_capability = {8, 0},
    .pci_device_id = 0x20F510DE,
    .memory_mib = 81920,
    .bar1_mib = 131072,
    .derived = DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 300,
    .memory_slices = 8,
    .max_mig_devices = 7,
    PROFILES(a100_sxm4_80gb_profiles),
};
