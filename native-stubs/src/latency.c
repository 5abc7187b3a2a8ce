#include "latency.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define MICROSECONDS UINT64_C(1000)
#define MILLISECONDS (1000 * MICROSECONDS)

/*
 * Reads: measured on an idle H200, driver 580.159.04, minimum of 300 calls or more; those that were not measured (marked)
 * like the one they resemble most. Changes: our assumption, since no trustworthy figure was found; reports speak of 0.1 to
 * 1 s for a GPU instance. What is not listed costs less than the stub itself, or was not measured and resembles nothing that
 * was. Initialising is in session.c, since it depends on what went before.
 */
static const struct {
    const char *function;
    uint64_t nanoseconds;
} costs[] = {
    {"nvmlDeviceGetMigMode", 140 * MICROSECONDS},
    {"nvmlDeviceGetMigDeviceHandleByIndex", 3700},
    {"nvmlDeviceGetGpuInstanceProfileInfo", 409 * MICROSECONDS},
    {"nvmlDeviceGetGpuInstanceProfileInfoV", 409 * MICROSECONDS},
    {"nvmlDeviceGetGpuInstanceProfileInfoByIdV", 409 * MICROSECONDS},
    {"nvmlDeviceGetGpuInstancePossiblePlacements_v2", 165 * MICROSECONDS},
    {"nvmlDeviceGetGpuInstancePossiblePlacements", 165 * MICROSECONDS},
    {"nvmlDeviceGetGpuInstanceRemainingCapacity", 176 * MICROSECONDS},
    {"nvmlDeviceGetGpuInstances", 280 * MICROSECONDS},
    {"nvmlDeviceGetBAR1MemoryInfo", 132 * MICROSECONDS},
    {"nvmlDeviceGetGpuFabricInfo", 4500},
    {"nvmlDeviceGetMemoryInfo", 4 * MICROSECONDS},
    {"nvmlDeviceGetMemoryInfo_v2", 4 * MICROSECONDS},                /* not measured, as the eight below but one */
    {"nvmlDeviceGetComputeRunningProcesses_v3", 4 * MICROSECONDS},   /* measured */
    {"nvmlDeviceGetComputeRunningProcesses_v2", 4 * MICROSECONDS},
    {"nvmlDeviceGetComputeRunningProcesses", 4 * MICROSECONDS},
    {"nvmlDeviceGetGraphicsRunningProcesses_v3", 4 * MICROSECONDS},
    {"nvmlDeviceGetGraphicsRunningProcesses_v2", 4 * MICROSECONDS},
    {"nvmlDeviceGetGraphicsRunningProcesses", 4 * MICROSECONDS},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v3", 4 * MICROSECONDS},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v2", 4 * MICROSECONDS},
    {"nvmlDeviceGetMPSComputeRunningProcesses", 4 * MICROSECONDS},
    {"nvmlDeviceGetBrand", 385 * MICROSECONDS},             /* asked for the first time; then the driver knows it */
    {"nvmlDeviceGetUtilizationRates", 3261 * MICROSECONDS}, /* these four too, or after some time */
    {"nvmlDeviceGetTemperature", 257 * MICROSECONDS},
    {"nvmlDeviceGetPowerUsage", 1480 * MICROSECONDS},
    {"nvmlGpmSampleGet", 215 * MICROSECONDS},
    {"nvmlGpmMigSampleGet", 215 * MICROSECONDS},                              /* not measured */
    {"nvmlGpuInstanceGetComputeInstanceProfileInfo", 409 * MICROSECONDS},     /* not measured */
    {"nvmlGpuInstanceGetComputeInstanceProfileInfoV", 409 * MICROSECONDS},    /* not measured */
    {"nvmlGpuInstanceGetComputeInstancePossiblePlacements", 165 * MICROSECONDS}, /* not measured */
    {"nvmlGpuInstanceGetComputeInstanceRemainingCapacity", 165 * MICROSECONDS},  /* not measured */
    {"nvmlGpuInstanceGetComputeInstances", 165 * MICROSECONDS},               /* not measured */
    {"nvmlDeviceSetMigMode", 1000 * MILLISECONDS},                            /* assumed */
    {"nvmlDeviceCreateGpuInstance", 100 * MILLISECONDS},                      /* assumed */
    {"nvmlDeviceCreateGpuInstanceWithPlacement", 100 * MILLISECONDS},         /* assumed */
    {"nvmlGpuInstanceDestroy", 100 * MILLISECONDS},                           /* assumed */
    {"nvmlGpuInstanceCreateComputeInstance", 30 * MILLISECONDS},              /* assumed */
    {"nvmlGpuInstanceCreateComputeInstanceWithPlacement", 30 * MILLISECONDS}, /* assumed */
    {"nvmlComputeInstanceDestroy", 30 * MILLISECONDS},                        /* assumed */
};

uint64_t latency_of(const char *function)
{
    for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++)
        if (strcmp(costs[i].function, function) == 0)
            return costs[i].nanoseconds;
    return 0;
}

/* The others cost less than the stub itself: the driver knows them, or no GPU is asked. */
uint64_t latency_of_field(unsigned int field)
{
    bool asks_gpu = field == NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED ||
                    field == NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE;
    return asks_gpu ? 158 * MICROSECONDS : 0;
}

static atomic_bool slow;

nvmlReturn_t latency_set(const char *latency, message_buffer *message)
{
    bool none = latency == NULL || latency[0] == '\0' || strcmp(latency, "none") == 0;
    if (!none && strcmp(latency, "h200") != 0)
        return message_fail(NVML_ERROR_INVALID_ARGUMENT, message, "unknown latency '%.64s'; there are: none, h200",
                            latency);
    atomic_store(&slow, !none);
    return NVML_SUCCESS;
}

bool latency_is_on(void)
{
    return atomic_load_explicit(&slow, memory_order_relaxed);
}

void latency_take(uint64_t nanoseconds)
{
    if (latency_is_on())
        latency_wait(latency_now(), nanoseconds);
}

uint64_t latency_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void latency_wait(uint64_t started, uint64_t nanoseconds)
{
    /* The kernel wakes a sleeper some 60 us late: sleep up to that, then watch the clock. */
    const uint64_t slack = 100 * MICROSECONDS;
    uint64_t end = started + nanoseconds;
    if (nanoseconds > slack) {
        uint64_t until = end - slack;
        struct timespec at = {.tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
        }
    }
    while (latency_now() < end) {
    }
}
