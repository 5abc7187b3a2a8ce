/* Whether NVML is initialised in this process, and on what. */
#ifndef STUB_SESSION_H
#define STUB_SESSION_H

#include "nvml_abi.h"
#include "state.h"

#include <stdbool.h>

bool session_is_open(void);

/* How many GPUs of the machine this process knows: none of them if NVML was initialised without attaching to any. */
unsigned int session_gpu_count(const machine_state *machine);

/*
 * Sets to what the environment says, the first time that anyone asks for it: before the first call of NVML, which it may be
 * about, and before a control, which it must not undo.
 */
void session_read_environment(void);

/* Sets the machine up, unless NVML is initialised: then IN_USE. Without a driver's branch, that of the environment. */
nvmlReturn_t session_configure(const char *gpus, const char *path, const char *branch, state_message *message);

#endif
