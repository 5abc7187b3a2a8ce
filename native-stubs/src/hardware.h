/*
 * Serial execution in the driver, where calls take as long as on hardware. Within a process NVML lets one call at a
 * time reach the driver. Over all processes, a call that only reads takes its GPU, and a call that changes something, lists
 * compute instances, MIG devices or processes, or attaches to the GPUs takes the whole machine.
 */
#ifndef STUB_HARDWARE_H
#define STUB_HARDWARE_H

#include "latency.h"

/* `gpu` below 0: none in particular. */
void hardware_lock(latency_reach reach, int gpu);
void hardware_unlock(void);

/* Whether the locked GPU was not asked for so long that its firmware has stopped looking for questions. */
bool hardware_is_idle(void);

#endif
