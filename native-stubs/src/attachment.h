/* Whether NVML is initialised in this process, and whether it sees GPUs. */
#ifndef STUB_ATTACHMENT_H
#define STUB_ATTACHMENT_H

#include "machine.h"

#include <stdbool.h>

bool attachment_is_open(void);

/* How many GPUs of the machine this process knows: none of them if NVML was initialised without attaching to any. */
unsigned int attachment_gpu_count(const machine_state *machine);

/* NVML counts initialisations: as many shutdowns end it. The first one decides whether there are GPUs, a forced one adds them. */
void attachment_add(bool attaches, bool forced);

/* How many initialisations there were before this shutdown; 0: none, and there is nothing to end. */
unsigned int attachment_remove(void);

#endif
