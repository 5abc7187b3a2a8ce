/*
 * The frame around every exported function: it is counted, refused while NVML is not initialised, kept waiting and slowed
 * down as on hardware, made to fail on command, and traced.
 */
#ifndef STUB_CALLS_H
#define STUB_CALLS_H

#include "call_sites.h"
#include "faults.h"
#include "latency.h"
#include "nvml_abi.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct call {
    call_site *site;
    int gpu; /* the one that it is about; -1: none */
    latency_cost cost; /* where calls take as long as on hardware */
    uint64_t started_ns;
    nvmlReturn_t result;
    bool strikes_after; /* a fault, once the function has done its work: this one */
    fault struck_by;
} call;

enum { NO_GPU = -1, NEEDS_NO_INIT = -2 };

/* The activation status that a fault gives the change of mode under way; SUCCESS: no fault does. */
nvmlReturn_t call_activation_status(void);

/* False: the function is not to run, `result` is what it answers. `gpu` is a GPU's index, NO_GPU or NEEDS_NO_INIT. */
bool call_begin(call *made, call_site *site, int gpu);
nvmlReturn_t call_end(call *made);

/*
 * Defines an exported function: NVML_FUNCTION(name, (parameters), (arguments), gpu) { body }
 * `gpu` says which GPU it is about, in terms of the parameters: see handles.h. The linker collects the sites of all of them
 * in a section, so that a function is known by name before it was ever called. It has pointers to them, since the compiler
 * may put space between larger things.
 */
#define NVML_FUNCTION(name, parameters, arguments, gpu)                                                                \
    static nvmlReturn_t name##_body parameters;                                                                        \
    static call_site name##_site = {.function = #name};                                                                \
    __attribute__((used, section("call_sites"))) static call_site *name##_listed = &name##_site;                       \
    nvmlReturn_t name parameters                                                                                       \
    {                                                                                                                  \
        call made;                                                                                                     \
        if (call_begin(&made, &name##_site, gpu))                                                                      \
            made.result = name##_body arguments;                                                                       \
        return call_end(&made);                                                                                        \
    }                                                                                                                  \
    static nvmlReturn_t name##_body parameters

#endif
