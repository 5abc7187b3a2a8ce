/*
 * GPU performance monitoring: two samples of a GPU or a GPU instance, and metrics of the time between them. The simulated
 * GPU has no clock that runs: what a process uses is busy, what none uses is idle. Metrics that this says nothing about
 * are NOT_SUPPORTED, each for itself.
 */
#include "calls.h"
#include "clients.h"
#include "handles.h"

#include <pthread.h>
#include <stdlib.h>

struct nvmlGpmSample_st {
    struct nvmlGpmSample_st *next;
    bool taken;
    bool busy;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct nvmlGpmSample_st *samples;

/* Only under the mutex. */
static bool is_sample(nvmlGpmSample_t sample)
{
    for (struct nvmlGpmSample_st *known = samples; known != NULL; known = known->next)
        if (known == sample)
            return true;
    return false;
}

NVML_FUNCTION(nvmlGpmQueryDeviceSupport, (nvmlDevice_t device, nvmlGpmSupport_t *gpmSupport), (device, gpmSupport),
              gpu_of_device(device))
{
    if (gpmSupport == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (gpmSupport->version != NVML_GPM_SUPPORT_VERSION)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    gpmSupport->isSupportedDevice = at.model->architecture >= ARCHITECTURE_HOPPER;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlGpmSampleAlloc, (nvmlGpmSample_t *gpmSample), (gpmSample), NO_GPU)
{
    if (gpmSample == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    struct nvmlGpmSample_st *created = calloc(1, sizeof(*created));
    if (created == NULL)
        return NVML_ERROR_MEMORY;
    pthread_mutex_lock(&mutex);
    created->next = samples;
    samples = created;
    pthread_mutex_unlock(&mutex);
    *gpmSample = created;
    return NVML_SUCCESS;
}

NVML_FUNCTION(nvmlGpmSampleFree, (nvmlGpmSample_t gpmSample), (gpmSample), NO_GPU)
{
    nvmlReturn_t result = NVML_ERROR_INVALID_ARGUMENT;
    pthread_mutex_lock(&mutex);
    for (struct nvmlGpmSample_st **link = &samples; *link != NULL; link = &(*link)->next) {
        if (*link == gpmSample) {
            *link = gpmSample->next;
            free(gpmSample);
            result = NVML_SUCCESS;
            break;
        }
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

/* Takes a sample of a GPU instance, or (-1) of the GPU or MIG device itself. */
static nvmlReturn_t take(nvmlDevice_t device, long gpu_instance, nvmlGpmSample_t sample)
{
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool is_mig_device = at.compute_instance != NULL;
    bool exists = gpu_instance < 0 || (!is_mig_device && target_gpu_instance(&at, (unsigned int)gpu_instance));
    bool busy = is_busy(at.gpu, gpu_instance >= 0 || is_mig_device ? (int)at.gpu_instance_id : -1);
    bool supported = at.model->architecture >= ARCHITECTURE_HOPPER;
    state_unlock(false);
    if (!supported)
        return NVML_ERROR_NOT_SUPPORTED;
    if (!exists)
        return NVML_ERROR_INVALID_ARGUMENT; /* measured for an instance that is not there */
    pthread_mutex_lock(&mutex);
    if (is_sample(sample)) {
        sample->taken = true;
        sample->busy = busy;
    } else {
        result = NVML_ERROR_INVALID_ARGUMENT;
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

NVML_FUNCTION(nvmlGpmSampleGet, (nvmlDevice_t device, nvmlGpmSample_t gpmSample), (device, gpmSample),
              gpu_of_device(device))
{
    return take(device, -1, gpmSample);
}

NVML_FUNCTION(nvmlGpmMigSampleGet, (nvmlDevice_t device, unsigned int gpuInstanceId, nvmlGpmSample_t gpmSample),
              (device, gpuInstanceId, gpmSample), gpu_of_device(device))
{
    return take(device, (long)gpuInstanceId, gpmSample);
}

NVML_FUNCTION(nvmlGpmMetricsGet, (nvmlGpmMetricsGet_t *metricsGet), (metricsGet), NO_GPU)
{
    if (metricsGet == NULL || metricsGet->numMetrics > NVML_GPM_METRIC_MAX)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (metricsGet->version != NVML_GPM_METRICS_GET_VERSION)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    pthread_mutex_lock(&mutex);
    bool valid = is_sample(metricsGet->sample1) && is_sample(metricsGet->sample2) && metricsGet->sample1->taken &&
                 metricsGet->sample2->taken;
    double busy = valid ? 50.0 * metricsGet->sample1->busy + 50.0 * metricsGet->sample2->busy : 0;
    pthread_mutex_unlock(&mutex);
    if (!valid)
        return NVML_ERROR_INVALID_ARGUMENT;

    static char graphics_short[] = "gract", graphics_long[] = "Graphics Activity";
    static char sm_short[] = "smutil", sm_long[] = "SM Activity";
    static char percent[] = "%";
    for (unsigned int i = 0; i < metricsGet->numMetrics; i++) {
        nvmlGpmMetric_t *metric = &metricsGet->metrics[i];
        bool graphics = metric->metricId == NVML_GPM_METRIC_GRAPHICS_UTIL;
        bool known = graphics || metric->metricId == NVML_GPM_METRIC_SM_UTIL;
        metric->nvmlReturn = known ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
        metric->value = known ? busy : 0;
        metric->metricInfo.shortName = known ? (graphics ? graphics_short : sm_short) : NULL;
        metric->metricInfo.longName = known ? (graphics ? graphics_long : sm_long) : NULL;
        metric->metricInfo.unit = known ? percent : NULL;
    }
    return NVML_SUCCESS;
}
