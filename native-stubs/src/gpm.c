/*
 * GPU performance monitoring: two samples of a GPU or a GPU instance, and metrics of the time between them. The simulated
 * GPU has no clock that runs: what a process uses is busy, what none uses is idle, and then all metrics are 0, as measured,
 * unless nvmlStubSetActivity() says how busy it is.
 * The kind of work is not simulated: such metrics are NOT_SUPPORTED then, each for itself.
 */
#include "calls.h"
#include "clients.h"
#include "driver.h"
#include "handles.h"
#include "nvml_stub.h"

#include <pthread.h>
#include <stdlib.h>

struct nvmlGpmSample_st {
    struct nvmlGpmSample_st *next;
    unsigned long long taken; /* counts up from 1; 0: not yet */
    double busy; /* percent of the time */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct nvmlGpmSample_st *samples;
static unsigned long long samples_taken;

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
    if (gpmSample == NULL)
        return NVML_SUCCESS; /* measured */
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
    bool of_instance = exists && (gpu_instance >= 0 || is_mig_device);
    unsigned int set = of_instance ? at.gpu_instance->activity : at.gpu->activity;
    double busy = set > 0                                                            ? set - 1.0
                  : is_busy(at.gpu, of_instance ? (int)at.gpu_instance_id : -1) ? 100.0
                                                                                     : 0.0;
    bool supported = at.model->architecture >= ARCHITECTURE_HOPPER;
    state_unlock(false);
    if (!supported)
        return NVML_ERROR_NOT_SUPPORTED;
    if (!exists)
        return NVML_ERROR_INVALID_ARGUMENT; /* measured for an instance that is not there */
    pthread_mutex_lock(&mutex);
    if (is_sample(sample)) {
        sample->taken = ++samples_taken;
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

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

/* Names and units that driver 580 gives on an H200; the numbers between are metrics without a name. */
typedef struct {
    unsigned int id;
    const char *short_name;
    const char *long_name;
    const char *unit;
} metric_name;

static const metric_name names[] = {
    {NVML_GPM_METRIC_GRAPHICS_UTIL, "gract", "GRAPHICS_UTIL", "%"},
    {NVML_GPM_METRIC_SM_UTIL, "smutil", "SM_UTIL", "%"},
    {NVML_GPM_METRIC_SM_OCCUPANCY, "smocc", "SM_OCCUPANCY", "%"},
    {NVML_GPM_METRIC_INTEGER_UTIL, "intutil", "INTEGER_UTIL", "%"},
    {NVML_GPM_METRIC_ANY_TENSOR_UTIL, "mmaact", "ANY_TENSOR_UTIL", "%"},
    {NVML_GPM_METRIC_DFMA_TENSOR_UTIL, "dfmat", "DFMA_TENSOR_UTIL", "%"},
    {NVML_GPM_METRIC_HMMA_TENSOR_UTIL, "hmmat", "HMMA_TENSOR_UTIL", "%"},
    {NVML_GPM_METRIC_IMMA_TENSOR_UTIL, "immat", "IMMA_TENSOR_UTIL", "%"},
    {NVML_GPM_METRIC_DRAM_BW_UTIL, "dram", "DRAM_BW_UTIL", "%"},
    {NVML_GPM_METRIC_FP64_UTIL, "fp64", "FP64_UTIL", "%"},
    {NVML_GPM_METRIC_FP32_UTIL, "fp32", "FP32_UTIL", "%"},
    {NVML_GPM_METRIC_FP16_UTIL, "fp16", "FP16_UTIL", "%"},
    {NVML_GPM_METRIC_PCIE_TX_PER_SEC, "pcitx", "PCIE_TX_PER_SEC", "MiB/s"},
    {NVML_GPM_METRIC_PCIE_RX_PER_SEC, "pcirx", "PCIE_RX_PER_SEC", "MiB/s"},
    {NVML_GPM_METRIC_NVDEC_0_UTIL, "nvdec0", "NVDEC_0_UTIL", "%"},
    {NVML_GPM_METRIC_NVDEC_1_UTIL, "nvdec1", "NVDEC_1_UTIL", "%"},
    {NVML_GPM_METRIC_NVDEC_2_UTIL, "nvdec2", "NVDEC_2_UTIL", "%"},
    {NVML_GPM_METRIC_NVDEC_3_UTIL, "nvdec3", "NVDEC_3_UTIL", "%"},
    {NVML_GPM_METRIC_NVDEC_4_UTIL, "nvdec4", "NVDEC_4_UTIL", "%"},
    {NVML_GPM_METRIC_NVDEC_5_UTIL, "nvdec5", "NVDEC_5_UTIL", "%"},
    {NVML_GPM_METRIC_NVDEC_6_UTIL, "nvdec6", "NVDEC_6_UTIL", "%"},
    {NVML_GPM_METRIC_NVDEC_7_UTIL, "nvdec7", "NVDEC_7_UTIL", "%"},
    {NVML_GPM_METRIC_NVJPG_0_UTIL, "nvjpg0", "NVJPG_0_UTIL", "%"},
    {NVML_GPM_METRIC_NVJPG_1_UTIL, "nvjpg1", "NVJPG_1_UTIL", "%"},
    {NVML_GPM_METRIC_NVJPG_2_UTIL, "nvjpg2", "NVJPG_2_UTIL", "%"},
    {NVML_GPM_METRIC_NVJPG_3_UTIL, "nvjpg3", "NVJPG_3_UTIL", "%"},
    {NVML_GPM_METRIC_NVJPG_4_UTIL, "nvjpg4", "NVJPG_4_UTIL", "%"},
    {NVML_GPM_METRIC_NVJPG_5_UTIL, "nvjpg5", "NVJPG_5_UTIL", "%"},
    {NVML_GPM_METRIC_NVJPG_6_UTIL, "nvjpg6", "NVJPG_6_UTIL", "%"},
    {NVML_GPM_METRIC_NVJPG_7_UTIL, "nvjpg7", "NVJPG_7_UTIL", "%"},
    {NVML_GPM_METRIC_NVOFA_0_UTIL, "nvofa0", "NVOFA_0_UTIL", "%"},
    {NVML_GPM_METRIC_NVOFA_1_UTIL, "nvofa1", "NVOFA_1_UTIL", "%"},
};

/* From here on: NVLink, C2C, caches, context switches. They are not simulated. */
enum { FIRST_UNSIMULATED_METRIC = 60 };

static const metric_name *name_of(unsigned int id)
{
    static const metric_name unnamed = {0, NULL, NULL, "%"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].id == id)
            return &names[i];
    return &unnamed;
}

/* `busy`: for how much of the time, in percent. A metric that cannot be read keeps its value: measured. */
static nvmlReturn_t read_metric(nvmlGpmMetric_t *metric, double busy)
{
    unsigned int id = metric->metricId;
    if (id == 0 || id >= driver()->gpm_metrics)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (id >= FIRST_UNSIMULATED_METRIC)
        return NVML_ERROR_NOT_SUPPORTED;
    const metric_name *name = name_of(id);
    metric->metricInfo.shortName = (char *)(uintptr_t)name->short_name; /* NVML has them without const */
    metric->metricInfo.longName = (char *)(uintptr_t)name->long_name;
    metric->metricInfo.unit = (char *)(uintptr_t)name->unit;
    bool is_activity = id == NVML_GPM_METRIC_GRAPHICS_UTIL || id == NVML_GPM_METRIC_SM_UTIL;
    if (!is_activity && name->id != 0 && busy > 0)
        return NVML_ERROR_NOT_SUPPORTED;
    metric->value = is_activity ? busy : 0;
    return NVML_SUCCESS;
}

/* Measured on an H200: samples the wrong way round are no error, and the rates are nonsense. */
static const double NONSENSE = -1e9;

/* Measured: too many metrics, none, one sample given twice, or one that was never taken are wrong as a whole. */
NVML_FUNCTION(nvmlGpmMetricsGet, (nvmlGpmMetricsGet_t *metricsGet), (metricsGet), NO_GPU)
{
    if (metricsGet == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (metricsGet->version != NVML_GPM_METRICS_GET_VERSION)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (metricsGet->numMetrics == 0 || metricsGet->numMetrics > driver()->gpm_metrics ||
        metricsGet->sample1 == metricsGet->sample2)
        return NVML_ERROR_INVALID_ARGUMENT;
    pthread_mutex_lock(&mutex);
    bool valid = is_sample(metricsGet->sample1) && is_sample(metricsGet->sample2) && metricsGet->sample1->taken > 0 &&
                 metricsGet->sample2->taken > 0;
    bool reversed = valid && metricsGet->sample1->taken > metricsGet->sample2->taken;
    double busy = valid ? (metricsGet->sample1->busy + metricsGet->sample2->busy) / 2 : 0;
    pthread_mutex_unlock(&mutex);
    if (!valid)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int i = 0; i < metricsGet->numMetrics; i++) {
        nvmlGpmMetric_t *metric = &metricsGet->metrics[i];
        metric->nvmlReturn = read_metric(metric, busy);
        if (reversed && metric->nvmlReturn == NVML_SUCCESS)
            metric->value = NONSENSE;
    }
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlStubSetActivity(unsigned int gpu, int gpuInstance, int percent)
{
    if (percent < -1 || percent > 100)
        return NVML_ERROR_INVALID_ARGUMENT;
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_CHANGE, &machine);
    if (result != NVML_SUCCESS)
        return result;
    bool exists = gpu < machine->gpu_count &&
                  (gpuInstance < 0 ||
                   (gpuInstance < MAX_GPU_INSTANCE_IDS && machine->gpus[gpu].instances[gpuInstance].exists));
    if (exists && gpuInstance < 0)
        machine->gpus[gpu].activity = (uint8_t)(percent + 1);
    else if (exists)
        machine->gpus[gpu].instances[gpuInstance].activity = (uint8_t)(percent + 1);
    result = state_unlock(exists);
    return exists ? result : NVML_ERROR_NOT_FOUND;
}
