/* Room for the one line that says what is wrong with what a caller or the environment asked for. */
#ifndef STUB_MESSAGE_H
#define STUB_MESSAGE_H

#include "nvml_abi.h"

typedef struct {
    char text[1024];
} message_buffer;

/* Writes the line into `message` unless that is NULL, and returns `result`. */
__attribute__((format(printf, 3, 4)))
nvmlReturn_t message_fail(nvmlReturn_t result, message_buffer *message, const char *format, ...);

/* The same for a system call on a file that failed with `error`. */
nvmlReturn_t message_fail_errno(message_buffer *message, const char *path, const char *act, int error);

#endif
