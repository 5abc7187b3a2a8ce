/* What calls cost on hardware. */
#ifndef STUB_LATENCY_H
#define STUB_LATENCY_H

#include <stdint.h>

/* Nanoseconds that a call of the function takes on an H200. */
uint64_t latency_of(const char *function);

/* And what one value of nvmlDeviceGetFieldValues adds to it. */
uint64_t latency_of_field(unsigned int field);

/* Waits until `nanoseconds` after `started`, of the monotonic clock. */
void latency_wait(uint64_t started, uint64_t nanoseconds);

uint64_t latency_now(void);

#endif
