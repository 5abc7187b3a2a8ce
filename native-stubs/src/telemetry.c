/*
 * Readings of GPUs and MIG devices: architecture, memory, engines, load, heat, power. A number that nobody
 * knows is NOT_SUPPORTED, never 0.
 */
#include "calls.h"
#include "clients.h"
#include "handles.h"
#include "privileges.h"

#include <unistd.h>

static const unsigned long long MIB = 1024 * 1024;

NVML_FUNCTION(nvmlDeviceGetMinorNumber, (nvmlDevice_t device, unsigned int *minorNumber), (device, minorNumber),
              gpu_of_device(device))
{
    if (minorNumber == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *minorNumber = at.gpu_index; /* /dev/nvidiaN */
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetArchitecture, (nvmlDevice_t device, unsigned int *arch), (device, arch),
              gpu_of_device(device))
{
    if (arch == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *arch = at.model->architecture;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetCudaComputeCapability, (nvmlDevice_t device, int *major, int *minor),
              (device, major, minor), gpu_of_device(device))
{
    if (major == NULL || minor == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *major = at.model->compute_capability[0];
    *minor = at.model->compute_capability[1];
    return state_unlock(false);
}

/* Every processor of this machine: cluster agents give up if it fails. */
NVML_FUNCTION(nvmlDeviceGetCpuAffinity, (nvmlDevice_t device, unsigned int cpuSetSize, unsigned long *cpuSet),
              (device, cpuSetSize, cpuSet), gpu_of_device(device))
{
    if (cpuSet == NULL || cpuSetSize == 0)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    unsigned long cpus = (unsigned long)sysconf(_SC_NPROCESSORS_CONF);
    const unsigned long bits = 8 * sizeof(unsigned long);
    for (unsigned int word = 0; word < cpuSetSize; word++) {
        unsigned long left = cpus > word * bits ? cpus - word * bits : 0;
        cpuSet[word] = left >= bits ? ~0UL : (1UL << left) - 1;
    }
    return state_unlock(false);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

typedef struct {
    unsigned long long total;
    unsigned long long reserved; /* by the driver, whatever runs */
    unsigned long long used;     /* by processes */
} memory_use;

static nvmlReturn_t read_memory(nvmlDevice_t device, memory_use *memory)
{
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool is_mig_device = at.compute_instance != NULL;
    if (at.gpu->mig_enabled && !is_mig_device && privileges_of_process() < PRIVILEGES_MONITOR) {
        state_unlock(false);
        return NVML_ERROR_NO_PERMISSION; /* a session in a container printed it for the GPU's memory */
    }
    *memory = (memory_use){
        .total = MIB * (is_mig_device ? at.gpu_profile->memory_mib : at.model->memory_mib),
        .reserved = is_mig_device ? 0 : at.model->reserved_bytes,
        /* The compute instances of a GPU instance share its memory. */
        .used = MIB * client_memory(at.gpu, is_mig_device ? (int)at.gpu_instance_id : -1),
    };
    if (memory->used > memory->total - memory->reserved)
        memory->used = memory->total - memory->reserved;
    state_unlock(false);
    return memory->total == 0 ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

/* Version 1 counts what the driver reserves as used, version 2 does not: measured on an H200. */
NVML_FUNCTION(nvmlDeviceGetMemoryInfo, (nvmlDevice_t device, nvmlMemory_t *memory), (device, memory),
              gpu_of_device(device))
{
    if (memory == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    memory_use use;
    nvmlReturn_t result = read_memory(device, &use);
    if (result != NVML_SUCCESS)
        return result;
    memory->total = use.total;
    memory->used = use.reserved + use.used;
    memory->free = use.total - memory->used;
    return NVML_SUCCESS;
}

/* A wrong version gives FUNCTION_NOT_FOUND here, where profile queries say INVALID_ARGUMENT: measured on driver 580. */
NVML_FUNCTION(nvmlDeviceGetMemoryInfo_v2, (nvmlDevice_t device, nvmlMemory_v2_t *memory), (device, memory),
              gpu_of_device(device))
{
    if (memory == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (memory->version != NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2))
        return NVML_ERROR_FUNCTION_NOT_FOUND;
    memory_use use;
    nvmlReturn_t result = read_memory(device, &use);
    if (result != NVML_SUCCESS)
        return result;
    memory->total = use.total;
    memory->reserved = use.reserved;
    memory->free = use.total - use.reserved - use.used;
    memory->used = use.used;
    return NVML_SUCCESS;
}

/* A MIG device has its share of the GPU's, less 1 MiB: so printed by nvidia-smi for every size. */
NVML_FUNCTION(nvmlDeviceGetBAR1MemoryInfo, (nvmlDevice_t device, nvmlBAR1Memory_t *bar1Memory), (device, bar1Memory),
              gpu_of_device(device))
{
    if (bar1Memory == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool is_mig_device = at.compute_instance != NULL;
    unsigned long long total = at.model->bar1_mib * MIB;
    unsigned long long used = is_mig_device ? 0 : at.model->bar1_used_bytes;
    if (total > 0 && is_mig_device)
        total = total * at.gpu_profile->span / at.model->memory_slices - MIB;
    if (total > 0)
        *bar1Memory = (nvmlBAR1Memory_t){.bar1Total = total, .bar1Free = total - used, .bar1Used = used};
    state_unlock(false);
    return total == 0 ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

/* ---- engines ----------------------------------------------------------------------------------------------------- */

static nvmlReturn_t read_attributes(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    if (attributes == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    if (at.compute_instance == NULL) { /* of MIG devices only: measured */
        state_unlock(false);
        return NVML_ERROR_NOT_SUPPORTED;
    }
    *attributes = (nvmlDeviceAttributes_t){
        .multiprocessorCount = compute_profile_multiprocessors(at.model, at.compute_profile),
        .sharedCopyEngineCount = at.gpu_profile->copy_engines,
        .sharedDecoderCount = at.gpu_profile->decoders,
        .sharedEncoderCount = at.gpu_profile->encoders,
        .sharedJpegCount = at.gpu_profile->jpegs,
        .sharedOfaCount = at.gpu_profile->ofas,
        .gpuInstanceSliceCount = at.gpu_profile->slices,
        .computeInstanceSliceCount = at.compute_profile->slices,
        .memorySizeMB = at.gpu_profile->memory_mib,
    };
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetAttributes_v2, (nvmlDevice_t device, nvmlDeviceAttributes_t *attributes),
              (device, attributes), gpu_of_device(device))
{
    return read_attributes(device, attributes);
}

NVML_FUNCTION(nvmlDeviceGetAttributes, (nvmlDevice_t device, nvmlDeviceAttributes_t *attributes), (device, attributes),
              gpu_of_device(device))
{
    return read_attributes(device, attributes);
}

/* ---- load, heat, power ------------------------------------------------------------------------------------------- */

/*
 * A GPU with a process is busy all the time; how much of the time it reads and writes memory nobody says, and a process
 * that only counts cycles made an H200 answer 0. Not on a GPU in MIG mode (header).
 */
NVML_FUNCTION(nvmlDeviceGetUtilizationRates, (nvmlDevice_t device, nvmlUtilization_t *utilization),
              (device, utilization), gpu_of_device(device))
{
    if (utilization == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool in_mig_mode = at.gpu->mig_enabled;
    if (!in_mig_mode)
        *utilization = (nvmlUtilization_t){
            .gpu = at.gpu->activity > 0 ? at.gpu->activity - 1u : is_busy(at.gpu, -1) ? 100 : 0};
    state_unlock(false);
    return in_mig_mode ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

static unsigned int idle_celsius(const gpu_model *model)
{
    return model->idle_celsius;
}

static unsigned int idle_milliwatts(const gpu_model *model)
{
    return model->idle_milliwatts;
}

static unsigned int limit_milliwatts(const gpu_model *model)
{
    return model->power_limit_watts * 1000u;
}

static nvmlReturn_t read_number(nvmlDevice_t device, unsigned int (*of)(const gpu_model *), unsigned int *value)
{
    if (value == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    unsigned int number = of(at.model);
    state_unlock(false);
    if (number == 0)
        return NVML_ERROR_NOT_SUPPORTED;
    *value = number;
    return NVML_SUCCESS;
}

/* Simulated processes neither heat a GPU nor draw power: it reads as it does when nothing runs. */
NVML_FUNCTION(nvmlDeviceGetTemperature, (nvmlDevice_t device, nvmlTemperatureSensors_t sensorType, unsigned int *temp),
              (device, sensorType, temp), gpu_of_device(device))
{
    return sensorType == NVML_TEMPERATURE_GPU ? read_number(device, idle_celsius, temp) : NVML_ERROR_INVALID_ARGUMENT;
}

NVML_FUNCTION(nvmlDeviceGetPowerUsage, (nvmlDevice_t device, unsigned int *power), (device, power),
              gpu_of_device(device))
{
    return read_number(device, idle_milliwatts, power);
}

NVML_FUNCTION(nvmlDeviceGetPowerManagementLimit, (nvmlDevice_t device, unsigned int *limit), (device, limit),
              gpu_of_device(device))
{
    return read_number(device, limit_milliwatts, limit);
}

NVML_FUNCTION(nvmlDeviceGetEnforcedPowerLimit, (nvmlDevice_t device, unsigned int *limit), (device, limit),
              gpu_of_device(device))
{
    return read_number(device, limit_milliwatts, limit);
}
