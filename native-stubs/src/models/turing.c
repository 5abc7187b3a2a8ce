/* Turing: no MIG. It is here for the programs that must cope with a GPU that cannot be divided. */
#include "../models.h"

const gpu_model model_t4 = {
    .key = "T4",
    .name = "Tesla T4",
    .note = "a GPU without MIG",
    .architecture = ARCHITECTURE_TURING,
    .compute_capability = {7, 5},
    .pci_device_id = 0x1EB810DE,
    .memory_mib = 15360,
    .bar1_mib = 16384,
    .derived = DERIVED_BAR1,
    .brand = BRAND_NVIDIA,
    .ecc = ECC_ON,
    .power_limit_watts = 70,
};
