/* Trouble on command: which call is struck by what. */
#ifndef STUB_FAULTS_H
#define STUB_FAULTS_H

#include "message.h"

#include <stdbool.h>

typedef enum {
    FAULT_RETURN,  /* the call returns a code */
    FAULT_KILL,    /* the process dies by SIGKILL */
    FAULT_ACTIVATION, /* a change of mode succeeds, and says this code of its activation */
    FAULT_HANG,    /* the call takes some milliseconds more */
    FAULT_LOSE,    /* the GPU that the call is about is lost, until it is reset */
    FAULT_DESTROY  /* someone else destroys an instance first */
} fault_action;

typedef struct fault {
    char function[72]; /* "*": any */
    unsigned long long nth; /* the nth such call since the faults were set; 0: every one */
    int only_gpu;           /* only calls that are about this GPU; -1: all */
    bool is_random;         /* each such call at this rate, from 0 to 1, the same ones for the same seed */
    double rate;
    unsigned int seed;
    unsigned long long seen; /* calls that it could have struck */
    bool after; /* once the function has done its work */
    fault_action action;
    int code;               /* FAULT_RETURN, FAULT_ACTIVATION */
    unsigned int milliseconds; /* FAULT_HANG */
    unsigned int gpu, gpu_instance; /* FAULT_DESTROY */
    int compute_instance;   /* -1: the GPU instance with everything in it */
} fault;

/* Sets the faults from a text as NVML_STUB_FAULTS has it, in place of those before. NULL or empty: none. */
nvmlReturn_t faults_set(const char *text, message_buffer *message);

/*
 * Whether a fault strikes this call of the function, and which: a copy, since the faults may be set anew while the call is
 * under way. Counts the call. `gpu` below 0: the call is about none.
 */
bool fault_for(const char *function, int gpu, fault *struck_by);

#endif
