/*
 * What happens around every exported function: it is counted, refused while NVML is not initialised, slowed down to what
 * it costs on hardware, made to fail on command, and traced.
 */
#ifndef STUB_CALLS_H
#define STUB_CALLS_H

#include "faults.h"
#include "nvml_abi.h"
#include "state.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One for each function; it joins the list of all at its first call. */
typedef struct call_site {
    const char *function;
    atomic_ullong calls;
    atomic_bool listed;
    struct call_site *next;
} call_site;

typedef struct call {
    call_site *site;
    int gpu; /* the one that it is about; -1: none */
    bool locked;
    uint64_t started_ns;
    nvmlReturn_t result;
    bool strikes_after; /* a fault, once the function has done its work: this one */
    fault struck_by;
} call;

enum { NO_GPU = -1, NEEDS_NO_INIT = -2 };

/* False: the function is not to run, `result` is what it answers. `gpu` is a GPU's index, NO_GPU or NEEDS_NO_INIT. */
bool call_begin(call *made, call_site *site, int gpu);
nvmlReturn_t call_end(call *made);

/* Within a call: takes so long, where calls take as long as on hardware. Not under the machine's lock. */
void call_take(uint64_t nanoseconds);

unsigned long long call_get_count(const char *function);
void call_reset_counts(void);

/* What NVML_STUB_LATENCY, NVML_STUB_FAULTS and NVML_STUB_TRACE say; NULL or empty: nothing of it. */
nvmlReturn_t calls_set_latency(const char *latency, state_message *message);
nvmlReturn_t calls_set_faults(const char *faults, state_message *message);
nvmlReturn_t calls_set_trace(const char *path, state_message *message);

/*
 * Defines an exported function: NVML_FUNCTION(name, (parameters), (arguments), gpu) { body }
 * `gpu` says which GPU it is about, in terms of the parameters: see handles.h.
 */
#define NVML_FUNCTION(name, parameters, arguments, gpu)                                                                \
    static nvmlReturn_t name##_body parameters;                                                                        \
    nvmlReturn_t name parameters                                                                                       \
    {                                                                                                                  \
        static call_site site = {.function = #name};                                                                   \
        call made;                                                                                                     \
        if (call_begin(&made, &site, gpu))                                                                             \
            made.result = name##_body arguments;                                                                       \
        return call_end(&made);                                                                                        \
    }                                                                                                                  \
    static nvmlReturn_t name##_body parameters

#endif
