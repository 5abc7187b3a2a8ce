/* What every exported function does first. */
#ifndef STUB_CALLS_H
#define STUB_CALLS_H

#include "session.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct call_counter {
    const char *function;
    atomic_ullong calls;
    atomic_bool listed;
    struct call_counter *next;
} call_counter;

void call_count(call_counter *counter);
unsigned long long call_get_count(const char *function);
void call_reset_counts(void);

/* Counts a call of the function that it stands in. */
#define COUNT_CALL()                                                                                                   \
    do {                                                                                                               \
        static call_counter counter_ = {.function = __func__};                                                         \
        call_count(&counter_);                                                                                         \
    } while (0)

/* The same, for functions that need an initialised library. */
#define NVML_CALL()                                                                                                    \
    do {                                                                                                               \
        COUNT_CALL();                                                                                                  \
        if (!session_is_open())                                                                                        \
            return NVML_ERROR_UNINITIALIZED;                                                                           \
    } while (0)

#endif
