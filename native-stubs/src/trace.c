#include "trace.h"

#include "latency.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_int trace = -1;

nvmlReturn_t trace_set(const char *path, message_buffer *message)
{
    int descriptor = -1;
    if (path != NULL && path[0] != '\0') {
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (descriptor < 0)
            return message_fail(NVML_ERROR_OPERATING_SYSTEM, message, "cannot open the trace %.256s: %s", path,
                                strerror(errno));
    }
    int before = atomic_exchange(&trace, descriptor);
    if (before >= 0)
        close(before);
    return NVML_SUCCESS;
}

bool trace_is_on(void)
{
    return atomic_load_explicit(&trace, memory_order_relaxed) >= 0;
}

void trace_call(const char *function, int gpu, nvmlReturn_t result, uint64_t started_ns)
{
    int descriptor = atomic_load_explicit(&trace, memory_order_relaxed);
    if (descriptor < 0)
        return;
    char of_gpu[16] = "-";
    if (gpu >= 0)
        snprintf(of_gpu, sizeof(of_gpu), "%d", gpu);
    uint64_t took_ns = started_ns == 0 ? 0 : latency_now() - started_ns;
    dprintf(descriptor, "%s gpu=%s result=%d us=%.1f\n", function, of_gpu, (int)result, (double)took_ns / 1000.0);
}
