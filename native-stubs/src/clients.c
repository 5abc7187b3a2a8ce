#include "clients.h"

#include "nvml_stub.h"
#include "state.h"

#include <stdio.h>
#include <string.h>

unsigned int client_pid(const client_state *client)
{
    return read_u32(client->pid);
}

bool client_is_hidden(const client_state *client)
{
    return client_pid(client) == 0 || client_pid(client) >= FIRST_HIDDEN_CLIENT;
}

unsigned int client_memory_mib(const client_state *client)
{
    return read_u32(client->memory_mib);
}

bool is_busy(const gpu_state *gpu, int gpu_instance)
{
    for (unsigned int i = 0; i < MAX_CLIENTS; i++)
        if (gpu->clients[i].exists && !client_is_hidden(&gpu->clients[i]) &&
            (gpu_instance < 0 || gpu->clients[i].gpu_instance == gpu_instance))
            return true;
    return false;
}

unsigned long long client_memory(const gpu_state *gpu, int gpu_instance)
{
    unsigned long long mib = 0;
    for (unsigned int i = 0; i < MAX_CLIENTS; i++)
        if (gpu->clients[i].exists && (gpu_instance < 0 || gpu->clients[i].gpu_instance == gpu_instance))
            mib += client_memory_mib(&gpu->clients[i]);
    return mib;
}

bool is_gpu_in_use(const gpu_state *gpu)
{
    for (unsigned int i = 0; i < MAX_CLIENTS; i++)
        if (gpu->clients[i].exists)
            return true;
    return false;
}

bool is_whole_gpu_in_use(const gpu_state *gpu)
{
    for (unsigned int i = 0; i < MAX_CLIENTS; i++)
        if (gpu->clients[i].exists && !client_is_hidden(&gpu->clients[i]) && gpu->clients[i].gpu_instance == WHOLE_GPU)
            return true;
    return false;
}

static bool keeps(const client_state *client, unsigned int gpu_instance, int compute_instance)
{
    if (!client->exists)
        return false;
    if (client->gpu_instance != gpu_instance)
        return compute_instance < 0 && (client->held[gpu_instance / 8] >> gpu_instance % 8 & 1) != 0;
    return compute_instance < 0 || client->compute_instance == compute_instance;
}

bool is_instance_in_use(const gpu_state *gpu, unsigned int gpu_instance, int compute_instance)
{
    for (unsigned int i = 0; i < MAX_CLIENTS; i++)
        if (keeps(&gpu->clients[i], gpu_instance, compute_instance))
            return true;
    return false;
}

/* ---- controls ---------------------------------------------------------------------------------------------------- */

static nvmlReturn_t start(gpu_state *gpu, int gpu_instance, int compute_instance, unsigned int pid, const char *name,
                          unsigned int memory_mib, nvmlStubProcessKind kind)
{
    bool hidden = pid == 0 || pid >= FIRST_HIDDEN_CLIENT;
    if (gpu_instance >= 0) {
        bool exists = gpu_instance < MAX_GPU_INSTANCE_IDS && gpu->instances[gpu_instance].exists;
        if (compute_instance >= 0) /* a process runs in a compute instance */
            exists = exists && compute_instance < MAX_COMPUTE_INSTANCES &&
                     gpu->instances[gpu_instance].compute[compute_instance].exists;
        if (!exists || (compute_instance < 0 && !hidden))
            return NVML_ERROR_NOT_FOUND;
    }
    for (unsigned int i = 0; i < MAX_CLIENTS; i++) {
        client_state *client = &gpu->clients[i];
        if (client->exists)
            continue;
        *client = (client_state){
            .exists = 1,
            .gpu_instance = gpu_instance < 0 ? WHOLE_GPU : (uint8_t)gpu_instance,
            .compute_instance = compute_instance < 0 ? WHOLE_GPU : (uint8_t)compute_instance,
            .kind = (uint8_t)kind,
        };
        for (unsigned int id = 0; hidden && gpu_instance < 0 && id < MAX_GPU_INSTANCE_IDS; id++)
            client->held[id / 8] |= (uint8_t)((unsigned int)gpu->instances[id].exists << id % 8);
        write_u32(client->pid, pid);
        write_u32(client->memory_mib, memory_mib);
        snprintf(client->name, sizeof(client->name), "%s", name == NULL ? "" : name);
        return NVML_SUCCESS;
    }
    return NVML_ERROR_INSUFFICIENT_SIZE;
}

nvmlReturn_t nvmlStubStartProcess(unsigned int gpu, int gpuInstance, int computeInstance, unsigned int pid,
                                  const char *name, unsigned int memoryMiB, nvmlStubProcessKind kind)
{
    if ((unsigned int)kind >= NVML_STUB_PROCESS_KINDS)
        return NVML_ERROR_INVALID_ARGUMENT;
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_CHANGE, &machine);
    if (result != NVML_SUCCESS)
        return result;
    result = gpu >= machine->gpu_count
                 ? NVML_ERROR_NOT_FOUND
                 : start(&machine->gpus[gpu], gpuInstance, computeInstance, pid, name, memoryMiB, kind);
    nvmlReturn_t unlocked = state_unlock(result == NVML_SUCCESS);
    return result == NVML_SUCCESS ? unlocked : result;
}

nvmlReturn_t nvmlStubEndProcess(unsigned int pid)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_CHANGE, &machine);
    if (result != NVML_SUCCESS)
        return result;
    bool found = false;
    for (unsigned int g = 0; g < machine->gpu_count; g++) {
        for (unsigned int i = 0; i < MAX_CLIENTS; i++) {
            client_state *client = &machine->gpus[g].clients[i];
            if (client->exists && client_pid(client) == pid) {
                *client = (client_state){0};
                found = true;
            }
        }
    }
    result = state_unlock(found);
    return found ? result : NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlStubSetHealth(unsigned int gpu, unsigned int persistenceMode, unsigned int rowRemapPending,
                               unsigned int rowRemapFailed, unsigned int uncorrectedEccErrors)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_CHANGE, &machine);
    if (result != NVML_SUCCESS)
        return result;
    if (gpu >= machine->gpu_count) {
        state_unlock(false);
        return NVML_ERROR_NOT_FOUND;
    }
    gpu_state *changed = &machine->gpus[gpu];
    changed->persistence_off = persistenceMode == 0;
    changed->row_remap_pending = rowRemapPending != 0;
    changed->row_remap_failed = rowRemapFailed != 0;
    write_u32(changed->ecc_errors, uncorrectedEccErrors);
    return state_unlock(true);
}

/* The GPU is detached and attached again: the driver keeps its instances while its module stays, and restores them. */
static void reattach(gpu_state *gpu)
{
    if (!gpu->mig_pending)
        memset(gpu->instances, 0, sizeof(gpu->instances));
    gpu->mig_enabled = gpu->mig_pending;
    gpu->lost = 0;
    gpu->row_remap_pending = 0;
}

/* The same after the module was unloaded: no instances, and MIG mode only where the GPU itself keeps it. */
static void load(const gpu_model *model, gpu_state *gpu)
{
    memset(gpu->instances, 0, sizeof(gpu->instances));
    gpu->compute_mode = NVML_COMPUTEMODE_DEFAULT;
    if (model->architecture >= ARCHITECTURE_HOPPER)
        gpu->mig_pending = 0;
    reattach(gpu);
}

nvmlReturn_t nvmlStubResetGpu(unsigned int gpu)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_CHANGE, &machine);
    if (result != NVML_SUCCESS)
        return result;
    if (gpu >= machine->gpu_count)
        result = NVML_ERROR_NOT_FOUND;
    else if (machine->gpus[gpu].in_vm)
        result = NVML_ERROR_NOT_SUPPORTED;
    else if (is_gpu_in_use(&machine->gpus[gpu]))
        result = NVML_ERROR_IN_USE;
    else
        reattach(&machine->gpus[gpu]);
    nvmlReturn_t unlocked = state_unlock(result == NVML_SUCCESS);
    return result == NVML_SUCCESS ? unlocked : result;
}

nvmlReturn_t nvmlStubReloadModule(void)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_CHANGE, &machine);
    if (result != NVML_SUCCESS)
        return result;
    for (unsigned int g = 0; g < machine->gpu_count; g++)
        if (is_gpu_in_use(&machine->gpus[g]))
            result = NVML_ERROR_IN_USE;
    for (unsigned int g = 0; result == NVML_SUCCESS && g < machine->gpu_count; g++)
        load(state_model(g), &machine->gpus[g]);
    nvmlReturn_t unlocked = state_unlock(result == NVML_SUCCESS);
    return result == NVML_SUCCESS ? unlocked : result;
}

nvmlReturn_t nvmlStubReboot(void)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_CHANGE, &machine);
    if (result != NVML_SUCCESS)
        return result;
    for (unsigned int g = 0; g < machine->gpu_count; g++) {
        memset(machine->gpus[g].clients, 0, sizeof(machine->gpus[g].clients));
        load(state_model(g), &machine->gpus[g]);
    }
    return state_unlock(true);
}
