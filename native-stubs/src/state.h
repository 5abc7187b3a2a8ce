/*
 * The machine's state: which GPUs it has, their MIG modes, and the instances on them. It lives in this process, or in a
 * file that several processes share. Either way a change is prepared in a copy and becomes visible whole, or not at all.
 */
#ifndef STUB_STATE_H
#define STUB_STATE_H

#include "models.h"
#include "nvml_abi.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MAX_GPUS = 32,              /* as many as the driver's MIG device nodes allow for */
    MAX_GPU_INSTANCE_IDS = 15,  /* 0 to 14: whole, halves, quarters, eighths */
    MAX_COMPUTE_INSTANCES = 8,
    MAX_CLIENTS = 8, /* of a GPU at the same time */
    MAX_EVENTS = 128, /* that a process may be behind with */
    MODEL_KEY_SIZE = 32
};

/* Without padding: this is the format of the state file. */
typedef struct {
    uint8_t exists;
    uint8_t profile_id;
    uint8_t start;
} compute_instance_state;

typedef struct {
    uint8_t exists;
    uint8_t profile_id;
    uint8_t start;
    compute_instance_state compute[MAX_COMPUTE_INSTANCES]; /* by id */
} gpu_instance_state;

enum { WHOLE_GPU = 0xFF };

/* Numbers in it are little-endian. */
static inline uint32_t read_u32(const uint8_t bytes[4])
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline void write_u32(uint8_t bytes[4], uint32_t value)
{
    for (unsigned int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

/* Who uses a GPU. */
typedef struct {
    uint8_t exists;
    uint8_t pid[4]; /* little-endian; 0: a client that shows in no list */
    uint8_t gpu_instance; /* WHOLE_GPU: none in particular */
    uint8_t compute_instance;
    uint8_t memory_mib[4]; /* little-endian */
    uint8_t kind;          /* nvmlStubProcessKind */
    char name[24];
} client_state;

typedef struct {
    char model[MODEL_KEY_SIZE];
    uint8_t swapped; /* a board whose two halves have each other's ids */
    uint8_t in_vm;   /* passed through to a virtual machine, which cannot reset it */
    uint8_t lost;    /* fallen off the bus */
    uint8_t persistence_off;
    uint8_t row_remap_pending; /* a bad row of memory waits for a reset */
    uint8_t row_remap_failed;
    uint8_t ecc_errors[4]; /* little-endian: uncorrected, in DRAM, before the driver was loaded */
    client_state clients[MAX_CLIENTS];
    uint8_t mig_enabled;
    uint8_t mig_pending;
    gpu_instance_state instances[MAX_GPU_INSTANCE_IDS]; /* by id */
} gpu_state;

/* Something that happened to a GPU, for whoever waits for it in any process. */
typedef struct {
    uint64_t type;
    uint64_t data;
    uint32_t gpu;
    uint32_t gpu_instance; /* 0xFFFFFFFF: none in particular, as NVML has it */
    uint32_t compute_instance;
    uint32_t unused;
} event_state;

typedef struct {
    uint64_t event_count; /* since the machine was new; event n is in events[n % MAX_EVENTS] */
    event_state events[MAX_EVENTS];
    gpu_state gpus[MAX_GPUS];
    uint8_t gpu_count;
    uint8_t unused[7];
} machine_state;

/* Room for the one line that says what is wrong with a machine or its file. */
typedef struct {
    char text[1024];
} state_message;

/*
 * Makes `gpus` (NULL or empty: what the file holds, or the default machine) the state of this process, in the file
 * `path` if that is not NULL.
 */
nvmlReturn_t state_open(const char *gpus, const char *path, state_message *message);

/* Writes a new machine into the existing state file `path`; `gpus` NULL or empty: one with the GPUs that it has. */
nvmlReturn_t state_reset(const char *gpus, const char *path, state_message *message);

/* The model of a GPU of the machine. Only under a lock. */
const gpu_model *state_model(unsigned int gpu);

typedef enum {
    STATE_READ,  /* the machine as it is; not to be written to */
    STATE_CHANGE /* a copy, which state_unlock(true) makes the machine and state_unlock(false) drops */
} state_access;

/* Locks the machine. On success, state_unlock() must follow. */
nvmlReturn_t state_lock(state_access access, machine_state **locked);

/* What one GPU's hardware does is one thing at a time, for all processes on the machine. */
void state_lock_gpu(unsigned int gpu);
void state_unlock_gpu(unsigned int gpu);

/* What the calling process may do. */
typedef enum { PRIVILEGES_NONE, PRIVILEGES_MONITOR, PRIVILEGES_ALL } privileges;
nvmlReturn_t state_set_privileges(const char *text, state_message *message);
privileges state_privileges(void);

/* The GPU answers no more, until it is reset. */
void state_lose_gpu(unsigned int gpu);

/* Takes an instance away, as another process would; compute_instance -1: the GPU instance with all that is in it. */
void state_destroy_instance(unsigned int gpu, unsigned int gpu_instance, int compute_instance);

/* Tells of a change that is being made in the copy of state_lock(STATE_CHANGE). */
void state_record_event(unsigned int gpu, uint64_t type, uint64_t data, uint32_t gpu_instance,
                        uint32_t compute_instance);

/* The same, of a change to the MIG layout of a GPU. */
void state_record_mig_change(unsigned int gpu);

/* Ends the lock. Returns SUCCESS unless the commit could not be written, in which case nothing has changed. */
nvmlReturn_t state_unlock(bool commit);

#endif
