/* The privileges of the calling process. */
#ifndef STUB_PRIVILEGES_H
#define STUB_PRIVILEGES_H

#include "message.h"

typedef enum {
    PRIVILEGES_NONE,
    PRIVILEGES_MONITOR,
    PRIVILEGES_CONFIG, /* may create and destroy instances, but not set modes */
    PRIVILEGES_ALL
} privileges;

/* As NVML_STUB_PRIVILEGES has it; NULL or empty: all. */
nvmlReturn_t privileges_set(const char *text, message_buffer *message);

privileges privileges_of_process(void);

#endif
