/* The machine of this process. */
#ifndef STUB_SESSION_H
#define STUB_SESSION_H

#include "message.h"

/* Sets the machine up, unless NVML is initialised: then IN_USE. Without a driver's branch, that of the environment. */
nvmlReturn_t session_configure(const char *gpus, const char *path, const char *branch, message_buffer *message);

#endif
