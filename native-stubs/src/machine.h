/*
 * The simulated machine as data: its GPUs, their MIG modes, the instances on them, the clients that use them, and what
 * happened to them. Without padding: these bytes are the format of the state file.
 */
#ifndef STUB_MACHINE_H
#define STUB_MACHINE_H

#include <stdint.h>

enum {
    MAX_GPUS = 32,              /* as many as the driver's MIG device nodes allow for */
    MAX_GPU_INSTANCE_IDS = 15,  /* 0 to 14: whole, halves, quarters, eighths */
    MAX_COMPUTE_INSTANCES = 8,
    MAX_CLIENTS = 8, /* of a GPU at the same time */
    MAX_EVENTS = 128, /* that a process may be behind with */
    MODEL_KEY_SIZE = 32
};

typedef struct {
    uint8_t exists;
    uint8_t profile_id;
    uint8_t start;
} compute_instance_state;

typedef struct {
    uint8_t exists;
    uint8_t profile_id;
    uint8_t start;
    uint8_t activity; /* as of a GPU */
    compute_instance_state compute[MAX_COMPUTE_INSTANCES]; /* by id */
} gpu_instance_state;

enum { WHOLE_GPU = 0xFF };

/* Linux has no process ids that large. */
#define FIRST_HIDDEN_CLIENT UINT32_C(0x80000000)

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

/* A client of a GPU. */
typedef struct {
    uint8_t exists;
    uint8_t pid[4]; /* little-endian; 0, or FIRST_HIDDEN_CLIENT and up: a client that shows in no list */
    uint8_t gpu_instance; /* WHOLE_GPU: none in particular */
    uint8_t compute_instance;
    uint8_t memory_mib[4]; /* little-endian */
    uint8_t kind;          /* nvmlStubProcessKind */
    uint8_t held[2]; /* little-endian: GPU instances that a client without a list keeps, by id */
    char name[24];
} client_state;

typedef struct {
    char model[MODEL_KEY_SIZE];
    uint8_t swapped; /* a board whose two halves have each other's ids */
    uint8_t in_vm;   /* passed through to a virtual machine, which cannot reset it */
    uint8_t lost;    /* fallen off the bus */
    uint8_t persistence_off;
    uint8_t compute_mode;      /* nvmlComputeMode_t */
    uint8_t row_remap_pending; /* a bad row of memory waits for a reset */
    uint8_t row_remap_failed;
    uint8_t ecc_errors[4]; /* little-endian: uncorrected, in DRAM, before the driver was loaded */
    client_state clients[MAX_CLIENTS];
    uint8_t activity; /* of its SM, in percent and one more; 0: what its processes make of it */
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


#endif
