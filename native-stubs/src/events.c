/* Events: what happened to GPUs, kept with the machine, so that a process can wait for what another does. */
#include "calls.h"
#include "handles.h"
#include "nvml_stub.h"
#include "privileges.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint32_t NO_INSTANCE = 0xFFFFFFFF;

/* Waiting is looking every few milliseconds: events are rare, and the processes have nothing in common but the state. */
enum { POLL_MILLISECONDS = 2 };

struct nvmlEventSet_st {
    struct nvmlEventSet_st *next;
    uint64_t types[MAX_GPUS]; /* that are registered */
    uint64_t seen;            /* events of the machine that were looked at */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct nvmlEventSet_st *sets;

/* Measured on two H200, driver 580: while a thread waits for events, every other wait of the process, of another set and
 * without a timeout too, and every creation of a set stand still until it returns. Other calls do not. */
static pthread_mutex_t waiting = PTHREAD_MUTEX_INITIALIZER;
static atomic_ullong lost_events;

static bool is_set(nvmlEventSet_t set)
{
    for (struct nvmlEventSet_st *known = sets; known != NULL; known = known->next)
        if (known == set)
            return true;
    return false;
}

/* Driver 580 said 0xff9f on an H200. Of other GPUs we know only that they have these two, or without MIG the first. */
static unsigned long long supported_types(const gpu_model *model)
{
    if (model->architecture >= ARCHITECTURE_HOPPER)
        return 0xFF9F;
    return model->profile_count == 0 ? nvmlEventTypeXidCriticalError
                                     : nvmlEventTypeXidCriticalError | nvmlEventMigConfigChange;
}

NVML_FUNCTION(nvmlDeviceGetSupportedEventTypes, (nvmlDevice_t device, unsigned long long *eventTypes),
              (device, eventTypes), gpu_of_device(device))
{
    if (eventTypes == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *eventTypes = supported_types(at.model);
    return state_unlock(false);
}

NVML_FUNCTION(nvmlEventSetCreate, (nvmlEventSet_t *set), (set), NO_GPU)
{
    if (set == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_READ, &machine);
    if (result != NVML_SUCCESS)
        return result;
    uint64_t seen = machine->event_count;
    state_unlock(false);
    struct nvmlEventSet_st *created = calloc(1, sizeof(*created));
    if (created == NULL)
        return NVML_ERROR_MEMORY;
    created->seen = seen;
    pthread_mutex_lock(&waiting);
    pthread_mutex_lock(&mutex);
    created->next = sets;
    sets = created;
    pthread_mutex_unlock(&mutex);
    pthread_mutex_unlock(&waiting);
    *set = created;
    return NVML_SUCCESS;
}

NVML_FUNCTION(nvmlEventSetFree, (nvmlEventSet_t set), (set), NO_GPU)
{
    nvmlReturn_t result = NVML_ERROR_INVALID_ARGUMENT;
    pthread_mutex_lock(&mutex);
    for (struct nvmlEventSet_st **link = &sets; *link != NULL; link = &(*link)->next) {
        if (*link == set) {
            *link = set->next;
            free(set);
            result = NVML_SUCCESS;
            break;
        }
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

NVML_FUNCTION(nvmlDeviceRegisterEvents, (nvmlDevice_t device, unsigned long long eventTypes, nvmlEventSet_t set),
              (device, eventTypes, set), gpu_of_device(device))
{
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    unsigned int gpu = at.gpu_index;
    bool possible = at.compute_instance == NULL;
    unsigned long long supported = supported_types(at.model);
    state_unlock(false);
    if (!possible) /* MIG devices have no events of their own */
        return NVML_ERROR_NOT_SUPPORTED;
    pthread_mutex_lock(&mutex);
    if (is_set(set))
        set->types[gpu] |= eventTypes & supported; /* the others are no error, whatever the header says: measured */
    else
        result = NVML_ERROR_INVALID_ARGUMENT;
    pthread_mutex_unlock(&mutex);
    return result;
}

/* Without the right to see instances, only what happens to a GPU as a whole is told (header). */
static bool may_see(const event_state *event)
{
    return event->gpu_instance == NO_INSTANCE || privileges_of_process() >= PRIVILEGES_MONITOR;
}

static bool is_any_lost(const machine_state *machine, nvmlEventSet_t set)
{
    for (unsigned int gpu = 0; gpu < machine->gpu_count; gpu++)
        if (machine->gpus[gpu].lost && set->types[gpu] != 0)
            return true;
    return false;
}

/* The next event that the set is registered for; if there is none, GPU_IS_LOST where a GPU of it is, else TIMEOUT. */
static nvmlReturn_t take_event(nvmlEventSet_t set, nvmlEventData_t *data)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_READ, &machine);
    if (result != NVML_SUCCESS)
        return result;
    pthread_mutex_lock(&mutex);
    result = is_set(set) ? NVML_ERROR_TIMEOUT : NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_ERROR_TIMEOUT && machine->event_count > set->seen + MAX_EVENTS) { /* too far behind: the oldest are gone */
        atomic_fetch_add(&lost_events, machine->event_count - MAX_EVENTS - set->seen);
        set->seen = machine->event_count - MAX_EVENTS;
    }
    while (result == NVML_ERROR_TIMEOUT && set->seen < machine->event_count) {
        const event_state *event = &machine->events[set->seen++ % MAX_EVENTS];
        if (event->gpu >= machine->gpu_count || (set->types[event->gpu] & event->type) == 0 || !may_see(event))
            continue;
        *data = (nvmlEventData_t){
            .device = handle_of_gpu(event->gpu),
            .eventType = event->type,
            .eventData = event->data,
            .gpuInstanceId = event->gpu_instance,
            .computeInstanceId = event->compute_instance,
        };
        result = NVML_SUCCESS;
    }
    if (result == NVML_ERROR_TIMEOUT && is_any_lost(machine, set))
        result = NVML_ERROR_GPU_IS_LOST;
    pthread_mutex_unlock(&mutex);
    state_unlock(false);
    return result;
}

static nvmlReturn_t wait_alone(nvmlEventSet_t set, nvmlEventData_t *data, size_t size, unsigned int timeout_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long end = now.tv_sec * 1000LL + now.tv_nsec / 1000000 + timeout_ms;
    for (;;) {
        nvmlEventData_t taken;
        nvmlReturn_t result = take_event(set, &taken);
        clock_gettime(CLOCK_MONOTONIC, &now);
        bool over = now.tv_sec * 1000LL + now.tv_nsec / 1000000 >= end;
        if (result == NVML_SUCCESS)
            memcpy(data, &taken, size);
        if (result == NVML_ERROR_TIMEOUT && over)
            data->eventData = 0; /* measured: that and no more */
        if (result != NVML_ERROR_TIMEOUT || over)
            return result;
        nanosleep(&(struct timespec){.tv_nsec = POLL_MILLISECONDS * 1000000L}, NULL);
    }
}

/* Fills an event up to `size`. */
static nvmlReturn_t wait_for_event(nvmlEventSet_t set, nvmlEventData_t *data, size_t size, unsigned int timeout_ms)
{
    if (data == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    pthread_mutex_lock(&waiting);
    nvmlReturn_t result = wait_alone(set, data, size, timeout_ms);
    pthread_mutex_unlock(&waiting);
    return result;
}

NVML_FUNCTION(nvmlEventSetWait_v2, (nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutms),
              (set, data, timeoutms), NO_GPU)
{
    return wait_for_event(set, data, sizeof(*data), timeoutms);
}

/* Older than MIG: its struct had no instances, and a caller with that one loses nothing that lies behind it. */
NVML_FUNCTION(nvmlEventSetWait, (nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutms),
              (set, data, timeoutms), NO_GPU)
{
    return wait_for_event(set, data, offsetof(nvmlEventData_t, gpuInstanceId), timeoutms);
}

nvmlReturn_t nvmlStubRaiseXid(unsigned int gpu, int gpuInstance, int computeInstance, unsigned int xid)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_CHANGE, &machine);
    if (result != NVML_SUCCESS)
        return result;
    bool exists = gpu < machine->gpu_count;
    if (exists)
        state_record_event(gpu, nvmlEventTypeXidCriticalError, xid, gpuInstance < 0 ? NO_INSTANCE : (uint32_t)gpuInstance,
                           computeInstance < 0 ? NO_INSTANCE : (uint32_t)computeInstance);
    result = state_unlock(exists);
    return exists ? result : NVML_ERROR_NOT_FOUND;
}

unsigned long long nvmlStubGetLostEvents(void)
{
    return atomic_load(&lost_events);
}
