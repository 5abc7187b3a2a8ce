/* A machine as text: "A100-SXM4-40GB*8,H200". */
#ifndef STUB_MACHINE_TEXT_H
#define STUB_MACHINE_TEXT_H

#include "machine.h"
#include "message.h"

#include <stdbool.h>
#include <stddef.h>

/* Makes a new machine from a text as NVML_STUB_GPUS has it; NULL or empty: the default machine. */
nvmlReturn_t machine_parse(const char *gpus, machine_state *into, message_buffer *message);

void machine_describe(const machine_state *of, char *text, size_t size);

bool machine_has_same_gpus(const machine_state *a, const machine_state *b);

#endif
