/*
 * What the stub has beyond NVML: controls for tests and tools. NVML itself needs none of them, the environment
 * variables do for programs that know nothing of a stub:
 *
 *   NVML_STUB_GPUS    the machine: model keys, each with an optional count, separated by commas:
 *                     "A100-SXM4-40GB", "A100-SXM4-40GB*8", "A100-SXM4-40GB,H200". Any unambiguous beginning of a key will
 *                     do, in any case; "H200" is the SXM. "+swapped" behind a key is a board whose halves have each other's
 *                     GPU instance ids, as some real boards do. Default: one A100-SXM4-40GB.
 *   NVML_STUB_STATE   the file in which the machine lives on between processes. Without it, it is private to the process.
 */
#ifndef NVML_STUB_H
#define NVML_STUB_H

#include "nvml_abi.h"

/*
 * Sets up this process's machine, in place of the environment variables: `gpus` as NVML_STUB_GPUS, `stateFile` as
 * NVML_STUB_STATE or NULL. A private machine starts new; a machine in a file is found as it was left.
 * On failure, `message` (if not NULL) receives one line that says what is wrong.
 * IN_USE while NVML is initialised in this process: the machine under a running session never changes.
 */
NVML_EXPORT nvmlReturn_t nvmlStubConfigure(const char *gpus, const char *stateFile, char *message,
                                           unsigned int messageLength);

/*
 * Puts a new machine into an existing state file, also while other processes use it; without `gpus`, one with the GPUs
 * that the file has. A file that is not a state file of this stub is left alone (INVALID_STATE); NOT_FOUND if there is
 * none.
 */
NVML_EXPORT nvmlReturn_t nvmlStubReset(const char *gpus, const char *stateFile, char *message,
                                       unsigned int messageLength);

/* A GPU model, as nvmlStubGetModel describes it. */
typedef struct {
    const char *key;         /* the name in NVML_STUB_GPUS */
    const char *name;        /* the product's name */
    const char *note;        /* how well it is known; for a model that is not simulated, what is not known */
    unsigned int simulated;  /* 0: too little is known of it */
    unsigned int mig;        /* 0: it has no MIG */
    unsigned int memoryMiB;  /* 0: not known */
} nvmlStubModel_t;

/* The models by index from 0, those that are not simulated last; NOT_FOUND behind the last. */
NVML_EXPORT nvmlReturn_t nvmlStubGetModel(unsigned int index, nvmlStubModel_t *model);

/* How often this process has called `function` (NULL: all of NVML) since the machine was configured. */
NVML_EXPORT unsigned long long nvmlStubGetCallCount(const char *function);

/* What the C compiler says of the declarations in nvml_abi.h. */
typedef struct {
    const char *name; /* "sizeof T", "offsetof T.m", "sizeof T.m" or a constant's name */
    long long value;
} nvmlStubAbiFact_t;

NVML_EXPORT const nvmlStubAbiFact_t *nvmlStubGetAbi(unsigned int *count);

#endif
