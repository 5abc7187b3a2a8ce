/* A line for each call in a file. */
#ifndef STUB_TRACE_H
#define STUB_TRACE_H

#include "message.h"

#include <stdbool.h>
#include <stdint.h>

/* As NVML_STUB_TRACE has it; NULL or empty: no trace. */
nvmlReturn_t trace_set(const char *path, message_buffer *message);

bool trace_is_on(void);

/* `gpu` below 0: none; `started_ns` 0: the call had begun when the trace was opened, and its time is not known. */
void trace_call(const char *function, int gpu, nvmlReturn_t result, uint64_t started_ns);

#endif
