/* Whether NVML is initialised in this process. */
#ifndef STUB_SESSION_H
#define STUB_SESSION_H

#include "nvml_abi.h"
#include "state.h"

#include <stdbool.h>

bool session_is_open(void);

/* Sets the machine up, unless NVML is initialised: then IN_USE. */
nvmlReturn_t session_configure(const char *gpus, const char *path, state_message *message);

#endif
