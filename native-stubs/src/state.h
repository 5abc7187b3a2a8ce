/*
 * The machine's state: which GPUs it has, their MIG modes, and the instances on them. It lives in this process, or in a
 * file that several processes share. Either way a change is prepared in a copy and becomes visible whole, or not at all.
 */
#ifndef STUB_STATE_H
#define STUB_STATE_H

#include "machine.h"
#include "message.h"
#include "models.h"

#include <stdbool.h>

/*
 * Makes `gpus` (NULL or empty: what the file holds, or the default machine) the state of this process, in the file
 * `path` if that is not NULL.
 */
nvmlReturn_t state_open(const char *gpus, const char *path, message_buffer *message);

/* The model of a GPU of the machine. Only under a lock. */
const gpu_model *state_model(unsigned int gpu);

typedef enum {
    STATE_READ,  /* the machine as it is; not to be written to */
    STATE_CHANGE /* a copy, which state_unlock(true) makes the machine and state_unlock(false) drops */
} state_access;

/* Locks the machine. On success, state_unlock() must follow. */
nvmlReturn_t state_lock(state_access access, machine_state **locked);

/*
 * A descriptor of the state file for locks beside the machine's; -1: the machine is private to this process. The caller
 * closes it: another thread may close the machine's own while the caller waits for a lock.
 */
int state_duplicate_file(void);

/* The GPU answers no more, until it is reset. */
void state_lose_gpu(unsigned int gpu);

/* Takes an instance away, as another process would; compute_instance -1: the GPU instance with all that is in it. */
void state_destroy_instance(unsigned int gpu, unsigned int gpu_instance, int compute_instance);

/* Tells of a change that is being made in the copy of state_lock(STATE_CHANGE). */
void state_record_event(unsigned int gpu, uint64_t type, uint64_t data, uint32_t gpu_instance,
                        uint32_t compute_instance);

/* The same, of a change to the MIG layout of a GPU. */
void state_record_mig_change(unsigned int gpu);

/* Ends the lock. Returns SUCCESS unless the commit could not be written, in which case nothing has changed. */
nvmlReturn_t state_unlock(bool commit);

#endif
