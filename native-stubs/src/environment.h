/* Settings of latency, faults, tracing, driver and privileges by the environment. */
#ifndef STUB_ENVIRONMENT_H
#define STUB_ENVIRONMENT_H

#include "message.h"

/*
 * Sets to what the environment says, the first time that anyone asks for it: before the first call of NVML, which it may be
 * about, and before a control, which it must not undo. The result of the first time.
 */
nvmlReturn_t environment_read(message_buffer *message);

/* Sets to what the environment says again, over what controls have set meanwhile. */
nvmlReturn_t environment_apply(message_buffer *message);

#endif
