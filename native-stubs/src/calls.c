#include "calls.h"

#include "latency.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_bool slow;      /* NVML_STUB_LATENCY */
static atomic_int trace = -1; /* NVML_STUB_TRACE */

/* ---- all functions ----------------------------------------------------------------------------------------------- */

/* The section that NVML_FUNCTION fills: the linker makes these two, from its name. */
extern call_site *__start_call_sites[] __attribute__((visibility("hidden")));
extern call_site *__stop_call_sites[] __attribute__((visibility("hidden")));

bool call_exists(const char *function)
{
    for (call_site **site = __start_call_sites; site < __stop_call_sites; site++)
        if (strcmp((*site)->function, function) == 0)
            return true;
    return false;
}

unsigned long long call_get_count(const char *function)
{
    unsigned long long calls = 0;
    for (call_site **site = __start_call_sites; site < __stop_call_sites; site++)
        if (function == NULL || strcmp((*site)->function, function) == 0)
            calls += atomic_load(&(*site)->calls);
    return calls;
}

void call_reset_counts(void)
{
    for (call_site **site = __start_call_sites; site < __stop_call_sites; site++)
        atomic_store(&(*site)->calls, 0);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

nvmlReturn_t calls_set_latency(const char *latency, state_message *message)
{
    bool none = latency == NULL || latency[0] == '\0' || strcmp(latency, "none") == 0;
    if (!none && strcmp(latency, "h200") != 0) {
        snprintf(message->text, sizeof(message->text), "unknown latency '%.64s'; there are: none, h200", latency);
        return NVML_ERROR_INVALID_ARGUMENT;
    }
    atomic_store(&slow, !none);
    return NVML_SUCCESS;
}

nvmlReturn_t calls_set_trace(const char *path, state_message *message)
{
    int descriptor = -1;
    if (path != NULL && path[0] != '\0') {
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (descriptor < 0) {
            snprintf(message->text, sizeof(message->text), "cannot open the trace %.256s: %s", path, strerror(errno));
            return NVML_ERROR_OPERATING_SYSTEM;
        }
    }
    int before = atomic_exchange(&trace, descriptor);
    if (before >= 0)
        close(before);
    return NVML_SUCCESS;
}

/* ---- around a call ----------------------------------------------------------------------------------------------- */

/* Lets a fault strike. True if it decides the call's answer. */
static bool strike(call *made, const fault *by)
{
    switch (by->action) {
    case FAULT_RETURN:
        made->result = (nvmlReturn_t)by->code;
        return true;
    case FAULT_KILL:
        kill(getpid(), SIGKILL);
        return true;
    case FAULT_HANG:
        latency_wait(latency_now(), (uint64_t)by->milliseconds * 1000000u);
        return false;
    case FAULT_LOSE:
        if (made->gpu >= 0)
            state_lose_gpu((unsigned int)made->gpu);
        return false;
    case FAULT_DESTROY:
        state_destroy_instance(by->gpu, by->gpu_instance, by->compute_instance);
        return false;
    }
    return false;
}

bool call_begin(call *made, call_site *site, int gpu)
{
    atomic_fetch_add_explicit(&site->calls, 1, memory_order_relaxed);
    if (gpu == NEEDS_NO_INIT) /* all other functions are refused until one of these has succeeded */
        session_read_environment();
    bool is_slow = atomic_load_explicit(&slow, memory_order_relaxed);
    made->site = site; /* member by member: struck_by is large, and means nothing yet */
    made->gpu = gpu;
    made->locked = false;
    made->started_ns = 0;
    made->result = NVML_ERROR_UNINITIALIZED;
    made->strikes_after = false;
    if (gpu != NEEDS_NO_INIT && !session_is_open())
        return false;
    if (is_slow && gpu >= 0) { /* a GPU does one thing at a time, different GPUs work side by side */
        state_lock_gpu((unsigned int)gpu);
        made->locked = true;
    }
    if (is_slow || atomic_load_explicit(&trace, memory_order_relaxed) >= 0)
        made->started_ns = latency_now();
    if (!fault_for(site->function, &made->struck_by))
        return true;
    made->strikes_after = made->struck_by.after;
    return made->strikes_after || !strike(made, &made->struck_by);
}

void call_take(uint64_t nanoseconds)
{
    if (atomic_load_explicit(&slow, memory_order_relaxed))
        latency_wait(latency_now(), nanoseconds);
}

nvmlReturn_t call_end(call *made)
{
    if (made->strikes_after)
        strike(made, &made->struck_by);
    if (made->started_ns != 0 && atomic_load_explicit(&slow, memory_order_relaxed))
        latency_wait(made->started_ns, latency_of(made->site->function));
    if (made->locked)
        state_unlock_gpu((unsigned int)made->gpu);
    int descriptor = atomic_load_explicit(&trace, memory_order_relaxed);
    if (descriptor >= 0) {
        char gpu[16] = "-";
        if (made->gpu >= 0)
            snprintf(gpu, sizeof(gpu), "%d", made->gpu);
        /* Of a call that had begun when the trace was opened, the time is not known. */
        uint64_t took_ns = made->started_ns == 0 ? 0 : latency_now() - made->started_ns;
        dprintf(descriptor, "%s gpu=%s result=%d us=%.1f\n", made->site->function, gpu, (int)made->result,
                (double)took_ns / 1000.0);
    }
    return made->result;
}
