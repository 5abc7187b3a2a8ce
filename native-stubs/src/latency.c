#include "latency.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define MICROSECONDS UINT64_C(1000)
#define MILLISECONDS (1000 * MICROSECONDS)

/*
 * Reads: medians of an H200, driver 580.159.04, MIG disabled, first where one call follows the other, then 2 ms after the
 * last one on that GPU. Those that were not measured (marked) are like the one they resemble most. What is not listed does not
 * reach the driver: NVML knows it, or reads it from memory that it shares with the driver. What reaches further than one GPU:
 * by the lock that the open kernel module takes for it. Initialising is in session.c, since it depends on what went before.
 */
static const struct {
    const char *function;
    latency_cost cost;
} costs[] = {
    {"nvmlDeviceGetMigMode", {REACHES_GPU, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlDeviceGetMaxMigDeviceCount", {REACHES_GPU, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlDeviceGetEccMode", {REACHES_GPU, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlDeviceGetDisplayActive", {REACHES_GPU, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlDeviceGetPowerManagementLimit", {REACHES_GPU, 170 * MICROSECONDS, 395 * MICROSECONDS}},
    {"nvmlDeviceGetBrand", {REACHES_GPU, 385 * MICROSECONDS, 385 * MICROSECONDS}}, /* for the first time; then known */
    {"nvmlDeviceGetGpuInstanceProfileInfo", {REACHES_GPU, 490 * MICROSECONDS, 840 * MICROSECONDS}},
    {"nvmlDeviceGetGpuInstanceProfileInfoV", {REACHES_GPU, 490 * MICROSECONDS, 840 * MICROSECONDS}},
    {"nvmlDeviceGetGpuInstanceProfileInfoByIdV", {REACHES_GPU, 490 * MICROSECONDS, 840 * MICROSECONDS}},
    {"nvmlDeviceGetGpuInstancePossiblePlacements_v2", {REACHES_GPU, 207 * MICROSECONDS, 455 * MICROSECONDS}},
    {"nvmlDeviceGetGpuInstancePossiblePlacements", {REACHES_GPU, 207 * MICROSECONDS, 455 * MICROSECONDS}},
    {"nvmlDeviceGetGpuInstanceRemainingCapacity", {REACHES_GPU, 217 * MICROSECONDS, 447 * MICROSECONDS}},
    {"nvmlDeviceGetGpuInstances", {REACHES_GPU, 330 * MICROSECONDS, 655 * MICROSECONDS}},
    {"nvmlDeviceGetGpuInstanceById", {REACHES_GPU, 330 * MICROSECONDS, 655 * MICROSECONDS}}, /* not measured; absent: below */
    {"nvmlDeviceGetBAR1MemoryInfo", {REACHES_GPU, 159 * MICROSECONDS, 398 * MICROSECONDS}},
    {"nvmlDeviceGetGpuFabricInfo", {REACHES_GPU, 5 * MICROSECONDS, 5 * MICROSECONDS}},
    {"nvmlDeviceGetMemoryInfo", {REACHES_GPU, 6 * MICROSECONDS, 6 * MICROSECONDS}},
    {"nvmlDeviceGetMemoryInfo_v2", {REACHES_GPU, 6 * MICROSECONDS, 6 * MICROSECONDS}}, /* not measured */
    {"nvmlDeviceGetPersistenceMode", {REACHES_GPU, 5 * MICROSECONDS, 5 * MICROSECONDS}},
    {"nvmlDeviceGetFieldValues", {REACHES_GPU, 0, 0}}, /* by the field */
    {"nvmlGpmSampleGet", {REACHES_GPU, 215 * MICROSECONDS, 215 * MICROSECONDS}},
    {"nvmlGpmMigSampleGet", {REACHES_GPU, 215 * MICROSECONDS, 215 * MICROSECONDS}}, /* not measured */

    {"nvmlDeviceGetComputeRunningProcesses_v3", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}},
    {"nvmlDeviceGetComputeRunningProcesses_v2", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}}, /* not measured, */
    {"nvmlDeviceGetComputeRunningProcesses", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}},    /* as all below */
    {"nvmlDeviceGetGraphicsRunningProcesses_v3", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}},
    {"nvmlDeviceGetGraphicsRunningProcesses_v2", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}},
    {"nvmlDeviceGetGraphicsRunningProcesses", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v3", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v2", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}},
    {"nvmlDeviceGetMPSComputeRunningProcesses", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}},
    {"nvmlDeviceGetMigDeviceHandleByIndex", {REACHES_MACHINE, 7 * MICROSECONDS, 7 * MICROSECONDS}}, /* with none there */
    {"nvmlGpuInstanceGetComputeInstanceProfileInfo", {REACHES_MACHINE, 490 * MICROSECONDS, 840 * MICROSECONDS}},
    {"nvmlGpuInstanceGetComputeInstanceProfileInfoV", {REACHES_MACHINE, 490 * MICROSECONDS, 840 * MICROSECONDS}},
    {"nvmlGpuInstanceGetComputeInstancePossiblePlacements", {REACHES_MACHINE, 207 * MICROSECONDS, 455 * MICROSECONDS}},
    {"nvmlGpuInstanceGetComputeInstanceRemainingCapacity", {REACHES_MACHINE, 217 * MICROSECONDS, 447 * MICROSECONDS}},
    {"nvmlGpuInstanceGetComputeInstances", {REACHES_MACHINE, 330 * MICROSECONDS, 655 * MICROSECONDS}},
    {"nvmlGpuInstanceGetComputeInstanceById", {REACHES_MACHINE, 330 * MICROSECONDS, 655 * MICROSECONDS}},

    /* A change that is refused; one that is made takes latency_of_change() as well. */
    {"nvmlDeviceSetMigMode", {REACHES_MACHINE, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlDeviceSetPersistenceMode", {REACHES_MACHINE, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlDeviceSetComputeMode", {REACHES_MACHINE, 160 * MICROSECONDS, 380 * MICROSECONDS}}, /* not measured */
    {"nvmlDeviceCreateGpuInstance", {REACHES_MACHINE, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlDeviceCreateGpuInstanceWithPlacement", {REACHES_MACHINE, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlGpuInstanceDestroy", {REACHES_MACHINE, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlGpuInstanceCreateComputeInstance", {REACHES_MACHINE, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlGpuInstanceCreateComputeInstanceWithPlacement", {REACHES_MACHINE, 160 * MICROSECONDS, 380 * MICROSECONDS}},
    {"nvmlComputeInstanceDestroy", {REACHES_MACHINE, 160 * MICROSECONDS, 380 * MICROSECONDS}},
};

latency_cost latency_of(const char *function)
{
    for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++)
        if (strcmp(costs[i].function, function) == 0)
            return costs[i].cost;
    return (latency_cost){REACHES_NOTHING, 0, 0};
}

uint64_t latency_of_absent_instance(void)
{
    return 6700 * MICROSECONDS;
}

/*
 * Not measured by us. Ampere: others' logs of A100 boards, 4 to 5 s for a change of mode, 72 ms to create a GPU instance with
 * its compute instance and 66 ms to destroy the two (a fit), split between the two by assumption. Newer: a log of an H100 NVL
 * has at most 0.5 to 0.8 s for a pair, clearing included, split by assumption; for a mode there is no figure, 1 s is assumed.
 */
uint64_t latency_of_change(latency_change change, gpu_architecture architecture)
{
    static const uint64_t ampere[] = {
        [CHANGE_MODE] = 4200 * MILLISECONDS,
        [CREATE_GPU_INSTANCE] = 50 * MILLISECONDS,
        [CREATE_COMPUTE_INSTANCE] = 22 * MILLISECONDS,
        [DESTROY_GPU_INSTANCE] = 46 * MILLISECONDS,
        [DESTROY_COMPUTE_INSTANCE] = 20 * MILLISECONDS,
    };
    static const uint64_t newer[] = {
        [CHANGE_MODE] = 1000 * MILLISECONDS,
        [CREATE_GPU_INSTANCE] = 250 * MILLISECONDS,
        [CREATE_COMPUTE_INSTANCE] = 50 * MILLISECONDS,
        [DESTROY_GPU_INSTANCE] = 250 * MILLISECONDS,
        [DESTROY_COMPUTE_INSTANCE] = 50 * MILLISECONDS,
    };
    return architecture < ARCHITECTURE_HOPPER ? ampere[change] : newer[change];
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
    if (!none && strcmp(latency, "hardware") != 0)
        return message_fail(NVML_ERROR_INVALID_ARGUMENT, message, "unknown latency '%.64s'; there are: none, hardware",
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
