/*
 * A GPU that does not exist, for clients that must survive those that do not exist yet: twice as many memory slices as any
 * today can have, eight compute slices, profile numbers and attributes that no header knows. Only the driver "future" has it.
 */
#include "../models.h"

#define EIGHTHS_OF_32 (AT(0) | AT(4) | AT(8) | AT(12) | AT(16) | AT(20) | AT(24) | AT(28))
#define QUARTERS_OF_32 (AT(0) | AT(8) | AT(16) | AT(24))
#define HALVES_OF_32 (AT(0) | AT(16))

/* Compute instance profiles: number, id, slices, max, span, starts */
static const compute_profile in_1g[] = {
    {0, 0, 1, 1, 1, WHOLE},
    {12, 40, 1, 1, 1, WHOLE}, /* shares its name with the one above */
};

static const compute_profile in_4g[] = {
    {0, 0, 1, 4, 1, AT(0) | AT(1) | AT(2) | AT(3)},
    {3, 3, 4, 1, 4, WHOLE},
};

static const compute_profile in_8g[] = {
    {0, 0, 1, 8, 1, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6) | AT(7)},
    {5, 5, 8, 1, 8, WHOLE},
};

#define IN_1G COMPUTE_PROFILES(in_1g)
#define IN_4G COMPUTE_PROFILES(in_4g)
#define IN_8G COMPUTE_PROFILES(in_8g)

/* GPU instance profiles: number, id, name, slices, max, SM, CE, DEC, ENC, JPEG, OFA, MiB, span, starts, compute profiles */
static const gpu_profile future_profiles[] = {
    {0, 119, "MIG 1g.128gb", 1, 8, 32, 1, 1, 1, 1, 1, 131072, 4, EIGHTHS_OF_32, IN_1G},
    {21, 120, "MIG 1g.128gb+qpu-me", 1, 8, 32, 1, 0, 0, 0, 0, 131072, 4, EIGHTHS_OF_32, IN_1G},
    {22, 121, "MIG 1g.256gb", 1, 4, 32, 1, 1, 1, 1, 1, 262144, 8, QUARTERS_OF_32, IN_1G},
    {3, 105, "MIG 4g.512gb", 4, 2, 128, 4, 4, 4, 4, 4, 524288, 16, HALVES_OF_32, IN_4G},
    {5, 100, "MIG 8g.1024gb", 8, 1, 256, 8, 8, 8, 8, 8, 1048576, 32, WHOLE, IN_8G},
};

const gpu_model model_future = {
    .key = "FUTURE",
    .name = "NVIDIA Future 1TB",
    .note = "does not exist: for tests of programs that must survive newer GPUs",
    .architecture = 99,
    .compute_capability = {99, 0},
    .pci_device_id = 0xFFFF10DE,
    .memory_mib = 1048576,
    .bar1_mib = 1048576,
    .derived = DERIVED_MEMORY | DERIVED_BAR1,
    .memory_slices = 32,
    .max_mig_devices = 8,
    PROFILES(future_profiles),
};
