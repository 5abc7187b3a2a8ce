#include "session.h"

#include "attachment.h"
#include "calls.h"
#include "driver.h"
#include "environment.h"
#include "hardware.h"
#include "latency.h"
#include "state.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool configured;
static bool by_control;    /* configured, well or not, through nvmlStubConfigure: then the environment has no say */
static bool shut_down;     /* since it was configured: then the next initialisation is a quick one */

nvmlReturn_t session_configure(const char *gpus, const char *path, const char *branch, message_buffer *message)
{
    environment_read(NULL); /* so that the first call of NVML does not do it later, over what was set meanwhile */
    pthread_mutex_lock(&mutex);
    nvmlReturn_t result = NVML_ERROR_IN_USE;
    if (attachment_is_open()) {
        snprintf(message->text, sizeof(message->text), "NVML is initialised in this process; shut it down first");
    } else {
        result = environment_apply(message);
        if (result == NVML_SUCCESS && branch != NULL)
            result = driver_set(branch, message);
        if (result == NVML_SUCCESS)
            result = state_open(gpus, path, message);
        configured = result == NVML_SUCCESS;
        by_control = true;
        shut_down = false;
        call_sites_reset();
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

/* Measured on an H200, driver 580. A shutdown before the last was not measured and takes next to nothing. */
static const uint64_t first_init_ns = UINT64_C(9600000);
static const uint64_t later_init_ns = UINT64_C(1800000); /* after the last shutdown */
static const uint64_t nested_init_ns = UINT64_C(2000);
static const uint64_t last_shutdown_ns = UINT64_C(2700000);

/* Attaching to the GPUs and detaching keep everybody else on the machine waiting (open kernel module). */
static void take_machine(uint64_t nanoseconds, bool attaches)
{
    bool alone = attaches && latency_is_on();
    if (alone)
        hardware_lock(REACHES_MACHINE, -1);
    latency_take(nanoseconds);
    if (alone)
        hardware_unlock();
}

/*
 * Measured on driver 580: the initialisation that is the first decides whether there are GPUs, and of those that follow only
 * one that is told to force it brings them. NO_GPUS is about machines without any, which are not simulated.
 */
static nvmlReturn_t initialise(unsigned int flags)
{
    pthread_mutex_lock(&mutex);
    nvmlReturn_t result = NVML_SUCCESS;
    uint64_t takes = attachment_is_open() ? nested_init_ns : shut_down ? later_init_ns : first_init_ns;
    if (!configured && by_control) {
        result = NVML_ERROR_INVALID_STATE;
    } else if (!configured) {
        message_buffer message;
        result = environment_read(&message);
        if (result == NVML_SUCCESS)
            result = state_open(getenv("NVML_STUB_GPUS"), getenv("NVML_STUB_STATE"), &message);
        configured = result == NVML_SUCCESS;
        if (!configured) /* the return code alone would leave the caller guessing, and it cannot ask us */
            fprintf(stderr, "nvml-stub: %s\n", message.text);
    }
    if (configured)
        attachment_add((flags & NVML_INIT_FLAG_NO_ATTACH) == 0, (flags & NVML_INIT_FLAG_FORCE_INIT) != 0);
    pthread_mutex_unlock(&mutex);
    if (result == NVML_SUCCESS)
        take_machine(takes, takes != nested_init_ns);
    return result;
}

NVML_FUNCTION(nvmlInit, (void), (), NEEDS_NO_INIT)
{
    return initialise(0);
}

NVML_FUNCTION(nvmlInit_v2, (void), (), NEEDS_NO_INIT)
{
    return initialise(0);
}

NVML_FUNCTION(nvmlInitWithFlags, (unsigned int flags), (flags), NEEDS_NO_INIT)
{
    return initialise(flags);
}

NVML_FUNCTION(nvmlShutdown, (void), (), NEEDS_NO_INIT)
{
    pthread_mutex_lock(&mutex);
    unsigned int count = attachment_remove();
    bool last = count == 1;
    shut_down = shut_down || last;
    pthread_mutex_unlock(&mutex);
    if (last)
        take_machine(last_shutdown_ns, true);
    /* A shutdown too many: asked of the libraries of 470, 535, 550 and 580. */
    return count > 0 || driver()->branch < 580 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

/* Not through NVML_FUNCTION: it returns no code, and is not counted. */
const char *nvmlErrorString(nvmlReturn_t result)
{
    environment_read(NULL); /* it may be the first that is called */
    if (!driver_knows_code(result))
        return "Unknown Error";
    switch (result) {
#define RETURN_TEXT(name, value, text)                                                                                 \
    case name:                                                                                                         \
        return text;
        NVML_RETURN_CODES(RETURN_TEXT)
#undef RETURN_TEXT
    }
    return "Unknown Error";
}

/*
 * An undocumented door to NVIDIA's internals. nvidia-smi refuses to start ("Mismatch in versions between nvidia-smi and
 * NVML") unless it succeeds, and then copes with a table that is NULL.
 */
NVML_FUNCTION(nvmlInternalGetExportTable, (const void **table, const void *guid), (table, guid), NEEDS_NO_INIT)
{
    if (table == NULL || guid == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *table = NULL;
    return NVML_SUCCESS;
}
