#include "state.h"

#include "machine_check.h"
#include "machine_text.h"
#include "state_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static machine_state machines[2];
static file_machine current = {.machine = &machines[0]}; /* as last read or committed */
static machine_state *change = &machines[1]; /* the copy that a change is made in; a commit swaps the two */
static int file = -1;                        /* -1: the machine is private to this process */
static pid_t opened_by;                      /* the process that opened it */

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void state_close(void);

/* Opens the file and reads the machine in it, which must be `wanted` unless any will do. */
static nvmlReturn_t open_file(const machine_state *wanted, bool any_machine, const char *path, message_buffer *message)
{
    int descriptor;
    nvmlReturn_t result = state_file_open(path, &descriptor, message);
    if (result == NVML_ERROR_NOT_FOUND) {
        result = state_file_create(path, wanted, message);
        if (result == NVML_SUCCESS)
            result = state_file_open(path, &descriptor, message);
    }
    if (result != NVML_SUCCESS)
        return result;

    current.header = (file_header){.generation = 0};
    result = state_file_read(descriptor, path, &current, message);
    if (result == NVML_SUCCESS && !any_machine && !machine_has_same_gpus(current.machine, wanted)) {
        char held[256];
        char asked[256];
        machine_describe(current.machine, held, sizeof(held));
        machine_describe(wanted, asked, sizeof(asked));
        result = message_fail(NVML_ERROR_INVALID_STATE, message,
                      "the state file %s holds the machine %s, not %s; name another file, or reset this one", path, held,
                      asked);
    }
    if (result != NVML_SUCCESS) {
        close(descriptor);
        return result;
    }
    state_file_lock(descriptor, F_UNLCK);
    file = descriptor;
    opened_by = getpid();
    return NVML_SUCCESS;
}

nvmlReturn_t state_open(const char *gpus, const char *path, message_buffer *message)
{
    bool any_machine = gpus == NULL || gpus[0] == '\0';
    machine_state wanted;
    nvmlReturn_t result = machine_parse(gpus, &wanted, message);
    if (result != NVML_SUCCESS)
        return result;

    pthread_mutex_lock(&mutex);
    state_close();
    if (path != NULL && path[0] != '\0') {
        result = open_file(&wanted, any_machine, path, message);
    } else {
        *current.machine = wanted;
        machine_is_possible(current.machine, current.models); /* looks the models up; machine_parse() found each */
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

/* Also when the library is unloaded: the descriptor is ours alone. */
__attribute__((destructor)) static void state_close(void)
{
    if (file >= 0)
        close(file);
    file = -1;
}

/* ---- locking and changing ---------------------------------------------------------------------------------------- */

/*
 * A forked child shares its parent's open file description, and with it the locks: neither would keep the other out. So a
 * child opens the file for itself.
 */
static nvmlReturn_t reopen_after_fork(void)
{
    if (opened_by == getpid())
        return NVML_SUCCESS;
    char name[32];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
    int own = open(name, O_RDWR | O_CLOEXEC);
    if (own < 0)
        return NVML_ERROR_OPERATING_SYSTEM;
    close(file);
    file = own;
    opened_by = getpid();
    return NVML_SUCCESS;
}

const gpu_model *state_model(unsigned int gpu)
{
    return current.models[gpu];
}

/* Most of a machine is room for GPUs that it does not have, and a change would take as long as the copy of that. */
static void begin_change(void)
{
    memcpy(change, current.machine,
           offsetof(machine_state, gpus) + current.machine->gpu_count * sizeof(gpu_state));
    change->gpu_count = current.machine->gpu_count;
}

nvmlReturn_t state_lock(state_access access, machine_state **locked)
{
    pthread_mutex_lock(&mutex);
    if (file >= 0) {
        nvmlReturn_t result = reopen_after_fork();
        if (result == NVML_SUCCESS)
            result = state_file_lock(file, F_WRLCK); /* for reads too: readers who share a lock keep a change waiting for ever */
        if (result == NVML_SUCCESS) {
            result = state_file_read(file, "", &current, NULL);
            if (result != NVML_SUCCESS)
                state_file_lock(file, F_UNLCK);
        }
        if (result != NVML_SUCCESS) {
            pthread_mutex_unlock(&mutex);
            return result;
        }
    }
    if (access == STATE_CHANGE)
        begin_change();
    *locked = access == STATE_CHANGE ? change : current.machine;
    return NVML_SUCCESS;
}

nvmlReturn_t state_unlock(bool commit)
{
    nvmlReturn_t result = NVML_SUCCESS;
    if (commit) {
        if (file < 0 || state_file_write(file, change, &current.header)) {
            machine_state *before = current.machine;
            current.machine = change;
            change = before;
        } else {
            result = NVML_ERROR_OPERATING_SYSTEM;
        }
    }
    if (file >= 0)
        state_file_lock(file, F_UNLCK);
    pthread_mutex_unlock(&mutex);
    return result;
}

void state_record_event(unsigned int gpu, uint64_t type, uint64_t data, uint32_t gpu_instance,
                        uint32_t compute_instance)
{
    change->events[change->event_count++ % MAX_EVENTS] = (event_state){
        .type = type, .data = data, .gpu = gpu, .gpu_instance = gpu_instance, .compute_instance = compute_instance};
}

void state_record_mig_change(unsigned int gpu)
{
    /* The driver's values beside the type are not known: no data, no instance in particular. */
    state_record_event(gpu, nvmlEventMigConfigChange, 0, UINT32_MAX, UINT32_MAX);
}

int state_duplicate_file(void)
{
    pthread_mutex_lock(&mutex);
    int own = file >= 0 && reopen_after_fork() == NVML_SUCCESS ? fcntl(file, F_DUPFD_CLOEXEC, 0) : -1;
    pthread_mutex_unlock(&mutex);
    return own;
}

/* ---- what happens to a machine from outside ---------------------------------------------------------------------- */

void state_lose_gpu(unsigned int gpu)
{
    machine_state *changed;
    if (state_lock(STATE_CHANGE, &changed) != NVML_SUCCESS)
        return;
    bool exists = gpu < changed->gpu_count;
    if (exists)
        changed->gpus[gpu].lost = 1;
    state_unlock(exists);
}

/* As a caller's destroying does, each tells of itself. */
static void destroy_compute_instance(unsigned int gpu, compute_instance_state *instance)
{
    if (!instance->exists)
        return;
    *instance = (compute_instance_state){0};
    state_record_mig_change(gpu);
}

void state_destroy_instance(unsigned int gpu, unsigned int gpu_instance, int compute_instance)
{
    machine_state *changed;
    if (gpu_instance >= MAX_GPU_INSTANCE_IDS || compute_instance >= MAX_COMPUTE_INSTANCES ||
        state_lock(STATE_CHANGE, &changed) != NVML_SUCCESS)
        return;
    bool exists = gpu < changed->gpu_count && changed->gpus[gpu].instances[gpu_instance].exists;
    if (exists) {
        gpu_instance_state *instance = &changed->gpus[gpu].instances[gpu_instance];
        if (compute_instance >= 0) {
            destroy_compute_instance(gpu, &instance->compute[compute_instance]);
        } else {
            for (unsigned int id = 0; id < MAX_COMPUTE_INSTANCES; id++)
                destroy_compute_instance(gpu, &instance->compute[id]);
            *instance = (gpu_instance_state){0};
            for (unsigned int i = 0; i < MAX_CLIENTS; i++)
                changed->gpus[gpu].clients[i].held[gpu_instance / 8] &= (uint8_t)~(1u << gpu_instance % 8);
            state_record_mig_change(gpu);
        }
    }
    state_unlock(exists);
}
