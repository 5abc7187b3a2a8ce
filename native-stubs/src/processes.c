/* Who runs on GPUs and MIG devices. */
#include "calls.h"
#include "clients.h"
#include "handles.h"
#include "text.h"

/* What NVML says where a process is on no instance. */
static const unsigned int NO_INSTANCE = 0xFFFFFFFF;

/* The processes of a GPU, or those of a MIG device. At most MAX_CLIENTS; those that show in no list left out. */
static nvmlReturn_t list(nvmlDevice_t device, nvmlProcessInfo_t found[MAX_CLIENTS], unsigned int *count)
{
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *count = 0;
    for (unsigned int i = 0; i < MAX_CLIENTS; i++) {
        const client_state *client = &at.gpu->clients[i];
        bool is_here = at.compute_instance == NULL || (client->gpu_instance == at.gpu_instance_id &&
                                                       client->compute_instance == at.compute_instance_id);
        if (!client->exists || client_pid(client) == 0 || !is_here)
            continue;
        bool on_instance = client->gpu_instance != WHOLE_GPU;
        found[(*count)++] = (nvmlProcessInfo_t){
            .pid = client_pid(client),
            .usedGpuMemory = client_memory_mib(client) * 1024ull * 1024ull,
            .gpuInstanceId = on_instance ? client->gpu_instance : NO_INSTANCE,
            .computeInstanceId = on_instance ? client->compute_instance : NO_INSTANCE,
        };
    }
    return state_unlock(false);
}

/* The count comes in as the room that there is; without enough, INSUFFICIENT_SIZE and the count that is needed. */
static nvmlReturn_t return_processes(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)
{
    if (count == NULL || (*count > 0 && infos == NULL))
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlProcessInfo_t found[MAX_CLIENTS];
    unsigned int number;
    nvmlReturn_t result = list(device, found, &number);
    if (result != NVML_SUCCESS)
        return result;
    unsigned int room = *count;
    *count = number;
    if (number > room)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int i = 0; i < number; i++)
        infos[i] = found[i];
    return NVML_SUCCESS;
}

NVML_FUNCTION(nvmlDeviceGetComputeRunningProcesses_v3,
              (nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_t *infos), (device, infoCount, infos),
              gpu_of_device(device))
{
    return return_processes(device, infoCount, infos);
}

NVML_FUNCTION(nvmlDeviceGetComputeRunningProcesses_v2,
              (nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_t *infos), (device, infoCount, infos),
              gpu_of_device(device))
{
    return return_processes(device, infoCount, infos);
}

NVML_FUNCTION(nvmlDeviceGetComputeRunningProcesses,
              (nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_v1_t *infos), (device, infoCount, infos),
              gpu_of_device(device))
{
    if (infoCount == NULL || (*infoCount > 0 && infos == NULL))
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlProcessInfo_t found[MAX_CLIENTS];
    unsigned int room = *infoCount;
    nvmlReturn_t result = list(device, found, infoCount);
    if (result != NVML_SUCCESS)
        return result;
    if (*infoCount > room)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int i = 0; i < *infoCount; i++)
        infos[i] = (nvmlProcessInfo_v1_t){.pid = found[i].pid, .usedGpuMemory = found[i].usedGpuMemory};
    return NVML_SUCCESS;
}

/* Simulated processes compute; none draws, and none is a client of the Multi-Process Service. */
static nvmlReturn_t return_none(nvmlDevice_t device, unsigned int *count)
{
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *count = 0;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetGraphicsRunningProcesses_v3,
              (nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_t *infos), (device, infoCount, infos),
              gpu_of_device(device))
{
    (void)infos;
    return return_none(device, infoCount);
}

NVML_FUNCTION(nvmlDeviceGetMPSComputeRunningProcesses_v3,
              (nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_t *infos), (device, infoCount, infos),
              gpu_of_device(device))
{
    (void)infos;
    return return_none(device, infoCount);
}

NVML_FUNCTION(nvmlSystemGetProcessName, (unsigned int pid, char *name, unsigned int length), (pid, name, length), NO_GPU)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_READ, &machine);
    if (result != NVML_SUCCESS)
        return result;
    const client_state *found = NULL;
    for (unsigned int g = 0; g < machine->gpu_count && found == NULL; g++)
        for (unsigned int i = 0; i < MAX_CLIENTS && found == NULL; i++)
            if (machine->gpus[g].clients[i].exists && pid != 0 && client_pid(&machine->gpus[g].clients[i]) == pid)
                found = &machine->gpus[g].clients[i];
    result = found == NULL ? NVML_ERROR_NOT_FOUND : text_return(found->name, name, length);
    state_unlock(false);
    return result;
}
