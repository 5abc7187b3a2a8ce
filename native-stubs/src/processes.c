/* The processes on GPUs and MIG devices. */
#include "calls.h"
#include "clients.h"
#include "handles.h"
#include "nvml_stub.h"
#include "privileges.h"

#include <stdio.h>

/* NVML's id where a process is on no instance. */
static const unsigned int NO_INSTANCE = 0xFFFFFFFF;

/* Which of NVML's lists a process can show in, as a bit set. */
enum { COMPUTE_LIST = 1, MPS_LIST = 2, GRAPHICS_LIST = 4 };

static unsigned int lists_of(const client_state *client)
{
    switch (client->kind) {
    case NVML_STUB_PROCESS_MPS:
        return COMPUTE_LIST | MPS_LIST; /* nvidia-smi prints "M+C" for such a process */
    case NVML_STUB_PROCESS_GRAPHICS:
        return GRAPHICS_LIST;
    default:
        return COMPUTE_LIST;
    }
}

/* The processes of a GPU, or those of a MIG device. At most MAX_CLIENTS; those that show in no list left out. */
static nvmlReturn_t find(nvmlDevice_t device, unsigned int list, nvmlProcessInfo_t found[MAX_CLIENTS],
                         unsigned int *count)
{
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool is_mig_device = at.compute_instance != NULL;
    if (at.gpu->mig_enabled && !is_mig_device && privileges_of_process() < PRIVILEGES_MONITOR) {
        state_unlock(false);
        return NVML_ERROR_NO_PERMISSION; /* what runs on all instances together needs the right to see them (header) */
    }
    *count = 0;
    for (unsigned int i = 0; i < MAX_CLIENTS; i++) {
        const client_state *client = &at.gpu->clients[i];
        bool is_here = !is_mig_device || (client->gpu_instance == at.gpu_instance_id &&
                                          client->compute_instance == at.compute_instance_id);
        if (!client->exists || client_is_hidden(client) || !is_here || (lists_of(client) & list) == 0)
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

/*
 * The count comes in as the room that there is; without enough, INSUFFICIENT_SIZE and the count that is needed. NULL is
 * wrong only where there is something to write: measured.
 */
static nvmlReturn_t find_for(nvmlDevice_t device, unsigned int list, nvmlProcessInfo_t found[MAX_CLIENTS],
                             unsigned int *count, const void *infos)
{
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    unsigned int number;
    nvmlReturn_t result = find(device, list, found, &number);
    if (result != NVML_SUCCESS)
        return result;
    unsigned int room = *count;
    *count = number;
    if (number > room)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    return number > 0 && infos == NULL ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
}

static nvmlReturn_t fill(nvmlDevice_t device, unsigned int list, unsigned int *count, nvmlProcessInfo_t *infos)
{
    nvmlProcessInfo_t found[MAX_CLIENTS];
    nvmlReturn_t result = find_for(device, list, found, count, infos);
    for (unsigned int i = 0; result == NVML_SUCCESS && i < *count; i++)
        infos[i] = found[i];
    return result;
}

static nvmlReturn_t fill_v1(nvmlDevice_t device, unsigned int list, unsigned int *count, nvmlProcessInfo_v1_t *infos)
{
    nvmlProcessInfo_t found[MAX_CLIENTS];
    nvmlReturn_t result = find_for(device, list, found, count, infos);
    for (unsigned int i = 0; result == NVML_SUCCESS && i < *count; i++)
        infos[i] = (nvmlProcessInfo_v1_t){.pid = found[i].pid, .usedGpuMemory = found[i].usedGpuMemory};
    return result;
}

#define PROCESS_LIST(name, info, fill, list)                                                                           \
    NVML_FUNCTION(name, (nvmlDevice_t device, unsigned int *infoCount, info *infos), (device, infoCount, infos),       \
                  gpu_of_device(device))                                                                               \
    {                                                                                                                  \
        return fill(device, list, infoCount, infos);                                                                   \
    }

/* Versions 2 and 3 have the same struct. */
PROCESS_LIST(nvmlDeviceGetComputeRunningProcesses, nvmlProcessInfo_v1_t, fill_v1, COMPUTE_LIST)
PROCESS_LIST(nvmlDeviceGetComputeRunningProcesses_v2, nvmlProcessInfo_t, fill, COMPUTE_LIST)
PROCESS_LIST(nvmlDeviceGetComputeRunningProcesses_v3, nvmlProcessInfo_t, fill, COMPUTE_LIST)
PROCESS_LIST(nvmlDeviceGetGraphicsRunningProcesses, nvmlProcessInfo_v1_t, fill_v1, GRAPHICS_LIST)
PROCESS_LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlProcessInfo_t, fill, GRAPHICS_LIST)
PROCESS_LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlProcessInfo_t, fill, GRAPHICS_LIST)
PROCESS_LIST(nvmlDeviceGetMPSComputeRunningProcesses, nvmlProcessInfo_v1_t, fill_v1, MPS_LIST)
PROCESS_LIST(nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlProcessInfo_t, fill, MPS_LIST)
PROCESS_LIST(nvmlDeviceGetMPSComputeRunningProcesses_v3, nvmlProcessInfo_t, fill, MPS_LIST)

NVML_FUNCTION(nvmlSystemGetProcessName, (unsigned int pid, char *name, unsigned int length), (pid, name, length), NO_GPU)
{
    if (name == NULL || length == 0)
        return NVML_ERROR_INVALID_ARGUMENT;
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_READ, &machine);
    if (result != NVML_SUCCESS)
        return result;
    const client_state *found = NULL;
    for (unsigned int g = 0; g < machine->gpu_count && found == NULL; g++)
        for (unsigned int i = 0; i < MAX_CLIENTS && found == NULL; i++)
            if (machine->gpus[g].clients[i].exists && !client_is_hidden(&machine->gpus[g].clients[i]) &&
                client_pid(&machine->gpus[g].clients[i]) == pid)
                found = &machine->gpus[g].clients[i];
    if (found == NULL)
        result = NVML_ERROR_NOT_FOUND;
    else
        snprintf(name, length, "%s", found->name); /* cropped, where there is not enough room */
    state_unlock(false);
    return result;
}
