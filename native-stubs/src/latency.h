/* The latency of calls on hardware. */
#ifndef STUB_LATENCY_H
#define STUB_LATENCY_H

#include "message.h"
#include "models.h"

#include <stdbool.h>
#include <stdint.h>

/* As NVML_STUB_LATENCY has it; NULL or empty: none. */
nvmlReturn_t latency_set(const char *latency, message_buffer *message);

bool latency_is_on(void);

/* Within a call: takes so long, where calls take as long as on hardware. Not under the machine's lock. */
void latency_take(uint64_t nanoseconds);

/* How far a call reaches, and what then waits for it: see hardware.h. */
typedef enum { REACHES_NOTHING, REACHES_GPU, REACHES_MACHINE } latency_reach;

typedef struct {
    latency_reach reach;
    uint64_t nanoseconds;      /* where one call follows the other */
    uint64_t idle_nanoseconds; /* where the GPU was not asked for a while */
} latency_cost;

latency_cost latency_of(const char *function);

/* The time to find that there is no GPU instance with an id. */
uint64_t latency_of_absent_instance(void);

typedef enum {
    CHANGE_MODE,
    CREATE_GPU_INSTANCE,
    CREATE_COMPUTE_INSTANCE,
    DESTROY_GPU_INSTANCE,
    DESTROY_COMPUTE_INSTANCE
} latency_change;

/* The time of a change. */
uint64_t latency_of_change(latency_change change, gpu_architecture architecture);

/* And what one value of nvmlDeviceGetFieldValues adds to it. */
uint64_t latency_of_field(unsigned int field);

/* Waits until `nanoseconds` after `started`, of the monotonic clock. */
void latency_wait(uint64_t started, uint64_t nanoseconds);

uint64_t latency_now(void);

#endif
