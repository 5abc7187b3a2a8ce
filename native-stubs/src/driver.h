/* The driver branches that the stub can be. */
#ifndef STUB_DRIVER_H
#define STUB_DRIVER_H

#include "message.h"
#include "models.h"

typedef struct {
    unsigned int branch;
    const char *driver_version;
    const char *nvml_version;
    const char *branch_name; /* what nvmlSystemGetDriverBranch says; NULL: not known */
    int cuda_version;
    unsigned int profile_numbers; /* GPU instance profile numbers below this are known */
    unsigned int compute_profile_numbers; /* likewise for compute instances */
    unsigned int field_ids;       /* field values below this are known; of 0 there is none */
    unsigned int gpm_metrics;     /* likewise metrics; and at most so many are read at a time */
    unsigned int newest_struct;   /* the newest version of the profile structs that is accepted; 1: none by version */
} driver_branch;

/* The driver that has the GPU that does not exist: see models/future.c. */
enum { FUTURE_BRANCH = 9999 };

/* "470", "525", "535", "550", "580" or "future"; NULL or empty: the library's own. */
nvmlReturn_t driver_set(const char *branch, message_buffer *message);

const driver_branch *driver(void);

/* Whether the driver has a text for a return code. */
bool driver_knows_code(nvmlReturn_t code);

/* Whether the driver knows a model: only the one to come knows the GPU that does not exist. */
bool driver_has_model(const gpu_model *model);

/* Whether the driver offers a profile: it knows its number, and the double-memory 1g and the A30's 2g+me came with R525. */
bool driver_has_profile(const gpu_profile *profile);

#endif
