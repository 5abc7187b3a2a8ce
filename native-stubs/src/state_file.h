/* The file in which processes share a machine. */
#ifndef STUB_STATE_FILE_H
#define STUB_STATE_FILE_H

#include "machine.h"
#include "message.h"
#include "models.h"

#include <stdbool.h>

/*
 * A state file is this header and two machines. A change is written to the machine that is not active; then the header
 * is rewritten to make it so. A process that dies between the two writes leaves the old machine active. Every access
 * holds a lock of the open file description, which the kernel drops with the process.
 */
typedef struct {
    char magic[8];
    uint32_t format;
    uint32_t machine_size;
    uint64_t generation; /* counts changes: an unchanged number means that our copy is current */
    uint32_t active;
    uint32_t checksum; /* of the active machine */
} file_header;

/* A machine in memory that was read from a file. */
typedef struct {
    file_header header; /* the one that the machine was read with; zero: not read yet */
    machine_state *machine;
    const gpu_model *models[MAX_GPUS];
} file_machine;

/*
 * Opens and locks the file that `path` names, if it is ours; ENOENT in errno if there is none. A file that is not ours is
 * never locked, since its owner may hold a lock for as long as he likes; one that was replaced while we waited for the
 * lock is opened anew.
 */
nvmlReturn_t state_file_open(const char *path, int *opened, message_buffer *message);

/* Creates the file with a machine in it. SUCCESS also if another process was faster. */
nvmlReturn_t state_file_create(const char *path, const machine_state *initial, message_buffer *message);

/* Locks or unlocks (F_WRLCK, F_UNLCK) the machine in the file. */
nvmlReturn_t state_file_lock(int descriptor, short type);

/*
 * Locks or unlocks all GPUs' hardware, apart from the machine: F_WRLCK alone, F_RDLCK together with others that do so. Who
 * waits to be alone keeps later ones waiting.
 */
nvmlReturn_t state_file_lock_hardware(int descriptor, short type);

/* The same for one GPU's hardware. */
nvmlReturn_t state_file_lock_gpu(int descriptor, short type, unsigned int gpu);

/* Brings a machine up to date with the locked file. */
nvmlReturn_t state_file_read(int descriptor, const char *path, file_machine *current, message_buffer *message);

/* Makes `next` the active machine of a locked file whose header is `current`. */
bool state_file_write(int descriptor, const machine_state *next, file_header *current);

/* Writes a new machine into the existing file `path`; `gpus` NULL or empty: one with the GPUs that it has. */
nvmlReturn_t state_file_reset(const char *gpus, const char *path, message_buffer *message);

#endif
