/* What calls cost on hardware. */
#ifndef STUB_LATENCY_H
#define STUB_LATENCY_H

#include "message.h"

#include <stdbool.h>
#include <stdint.h>

/* As NVML_STUB_LATENCY has it; NULL or empty: none. */
nvmlReturn_t latency_set(const char *latency, message_buffer *message);

bool latency_is_on(void);

/* Within a call: takes so long, where calls take as long as on hardware. Not under the machine's lock. */
void latency_take(uint64_t nanoseconds);

/* Nanoseconds that a call of the function takes on an H200. */
uint64_t latency_of(const char *function);

/* And what one value of nvmlDeviceGetFieldValues adds to it. */
uint64_t latency_of_field(unsigned int field);

/* Waits until `nanoseconds` after `started`, of the monotonic clock. */
void latency_wait(uint64_t started, uint64_t nanoseconds);

uint64_t latency_now(void);

#endif
