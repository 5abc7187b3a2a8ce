#include "session.h"

#include "calls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint initialisations; /* NVML counts them: as many shutdowns end it */
static bool configured;
static bool by_control; /* configured, well or not, through nvmlStubConfigure: then the environment has no say */

bool session_is_open(void)
{
    return atomic_load_explicit(&initialisations, memory_order_acquire) > 0;
}

nvmlReturn_t session_configure(const char *gpus, const char *path, state_message *message)
{
    pthread_mutex_lock(&mutex);
    nvmlReturn_t result = NVML_ERROR_IN_USE;
    if (session_is_open()) {
        snprintf(message->text, sizeof(message->text), "NVML is initialised in this process; shut it down first");
    } else {
        result = state_open(gpus, path, message);
        configured = result == NVML_SUCCESS;
        by_control = true;
        call_reset_counts();
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

static nvmlReturn_t initialise(void)
{
    pthread_mutex_lock(&mutex);
    nvmlReturn_t result = NVML_SUCCESS;
    if (!configured && by_control) {
        result = NVML_ERROR_INVALID_STATE;
    } else if (!configured) {
        state_message message = {""};
        result = state_open(getenv("NVML_STUB_GPUS"), getenv("NVML_STUB_STATE"), &message);
        configured = result == NVML_SUCCESS;
        if (!configured) /* the return code alone would leave the caller guessing, and it cannot ask us */
            fprintf(stderr, "nvml-stub: %s\n", message.text);
    }
    if (configured)
        atomic_fetch_add(&initialisations, 1);
    pthread_mutex_unlock(&mutex);
    return result;
}

nvmlReturn_t nvmlInit(void)
{
    COUNT_CALL();
    return initialise();
}

nvmlReturn_t nvmlInit_v2(void)
{
    COUNT_CALL();
    return initialise();
}

/* The flags choose whether to attach to GPUs at once, or to do without any: no difference here. */
nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    COUNT_CALL();
    (void)flags;
    return initialise();
}

nvmlReturn_t nvmlShutdown(void)
{
    COUNT_CALL();
    unsigned int count = atomic_load(&initialisations);
    while (count > 0)
        if (atomic_compare_exchange_weak(&initialisations, &count, count - 1))
            return NVML_SUCCESS;
    return NVML_ERROR_UNINITIALIZED;
}

const char *nvmlErrorString(nvmlReturn_t result)
{
    COUNT_CALL();
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
nvmlReturn_t nvmlInternalGetExportTable(const void **table, const void *guid)
{
    COUNT_CALL();
    if (table == NULL || guid == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *table = NULL;
    return NVML_SUCCESS;
}
