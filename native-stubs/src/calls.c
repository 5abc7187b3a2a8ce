#include "calls.h"

#include "attachment.h"
#include "environment.h"
#include "hardware.h"
#include "latency.h"
#include "state.h"
#include "trace.h"

#include <signal.h>
#include <unistd.h>

static _Thread_local nvmlReturn_t activation_status; /* of the call under way */

nvmlReturn_t call_activation_status(void)
{
    return activation_status;
}

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
    case FAULT_ACTIVATION:
        activation_status = (nvmlReturn_t)by->code;
        return false;
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
        environment_read(NULL);
    bool is_slow = latency_is_on();
    made->site = site; /* member by member: struck_by is large, and means nothing yet */
    made->gpu = gpu;
    made->cost = (latency_cost){REACHES_NOTHING, 0, 0};
    made->started_ns = 0;
    made->result = NVML_ERROR_UNINITIALIZED;
    made->strikes_after = false;
    activation_status = NVML_SUCCESS;
    if (gpu != NEEDS_NO_INIT && !attachment_is_open())
        return false;
    if (is_slow && gpu >= 0)
        made->cost = latency_of(site->function);
    if (made->cost.reach != REACHES_NOTHING)
        hardware_lock(made->cost.reach, gpu);
    if (is_slow || trace_is_on())
        made->started_ns = latency_now();
    if (!fault_for(site->function, gpu, &made->struck_by))
        return true;
    made->strikes_after = made->struck_by.after;
    return made->strikes_after || !strike(made, &made->struck_by);
}

nvmlReturn_t call_end(call *made)
{
    if (made->strikes_after)
        strike(made, &made->struck_by);
    if (made->cost.reach != REACHES_NOTHING) {
        latency_wait(made->started_ns, hardware_is_idle() ? made->cost.idle_nanoseconds : made->cost.nanoseconds);
        hardware_unlock();
    }
    trace_call(made->site->function, made->gpu, made->result, made->started_ns);
    return made->result;
}
