#include "attachment.h"
#include "calls.h"
#include "handles.h"
#include "text.h"
#include "uuid.h"

#include <stddef.h>
#include <stdio.h>

/* GPU n sits at PCI bus FIRST_BUS + n. */
enum { FIRST_BUS = 0x07 };

NVML_FUNCTION(nvmlDeviceGetCount_v2, (unsigned int *deviceCount), (deviceCount), NO_GPU)
{
    if (deviceCount == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_READ, &machine);
    if (result != NVML_SUCCESS)
        return result;
    *deviceCount = attachment_gpu_count(machine);
    return state_unlock(false);
}

/* ---- handles from names ------------------------------------------------------------------------------------------ */

NVML_FUNCTION(nvmlDeviceGetHandleByIndex_v2, (unsigned int index, nvmlDevice_t *device), (index, device), NO_GPU)
{
    if (device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_READ, &machine);
    if (result != NVML_SUCCESS)
        return result;
    if (index >= attachment_gpu_count(machine))
        result = NVML_ERROR_INVALID_ARGUMENT;
    else if (machine->gpus[index].lost)
        result = NVML_ERROR_GPU_IS_LOST;
    else
        *device = handle_of_gpu(index);
    state_unlock(false);
    return result;
}

static void device_uuid(const target *of, char text[UUID_TEXT_SIZE])
{
    if (of->compute_instance == NULL)
        uuid_of_gpu(of->model->key, of->gpu_index, text);
    else
        uuid_of_mig_device(of->model->key, of->gpu_index, of->gpu_instance_id, of->compute_instance_id, text);
}

/* Calls `matches` for each GPU and each MIG device until it finds one; its handle, or NULL. */
static nvmlDevice_t find_device(machine_state *machine, bool (*matches)(const target *, const void *),
                                const void *wanted)
{
    for (unsigned int g = 0; g < attachment_gpu_count(machine); g++) {
        target at = {.gpu_index = g, .model = state_model(g), .gpu = &machine->gpus[g]};
        if (matches(&at, wanted))
            return handle_of_gpu(g);
        for (unsigned int gi = 0; gi < MAX_GPU_INSTANCE_IDS; gi++) {
            if (!target_gpu_instance(&at, gi))
                continue;
            for (unsigned int ci = 0; ci < MAX_COMPUTE_INSTANCES; ci++)
                if (target_compute_instance(&at, ci) && matches(&at, wanted))
                    return handle_of_mig_device(g, gi, ci);
            at.compute_instance = NULL;
        }
    }
    return NULL;
}

static nvmlReturn_t return_device(bool (*matches)(const target *, const void *), const void *wanted,
                                  nvmlDevice_t *device)
{
    machine_state *machine;
    nvmlReturn_t result = state_lock(STATE_READ, &machine);
    if (result != NVML_SUCCESS)
        return result;
    nvmlDevice_t found = find_device(machine, matches, wanted);
    state_unlock(false);
    if (found == NULL)
        return NVML_ERROR_NOT_FOUND;
    *device = found;
    return NVML_SUCCESS;
}

static bool has_uuid(const target *of, const void *wanted)
{
    char text[UUID_TEXT_SIZE];
    device_uuid(of, text);
    if (strcmp(text, wanted) == 0)
        return true;
    if (of->compute_instance == NULL)
        return false;
    /* As R450 and R460 named MIG devices; the newer ones still understand it. */
    char old[UUID_TEXT_SIZE + 32];
    uuid_of_gpu(of->model->key, of->gpu_index, text);
    snprintf(old, sizeof(old), "MIG-%s/%u/%u", text, of->gpu_instance_id, of->compute_instance_id);
    return strcmp(old, wanted) == 0;
}

NVML_FUNCTION(nvmlDeviceGetHandleByUUID, (const char *uuid, nvmlDevice_t *device), (uuid, device), NO_GPU)
{
    if (uuid == NULL || device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    return return_device(has_uuid, uuid, device);
}

static bool has_serial(const target *of, const void *wanted)
{
    char text[SERIAL_TEXT_SIZE];
    serial_of_gpu(of->model->key, of->gpu_index, text);
    return of->compute_instance == NULL && strcmp(text, wanted) == 0;
}

NVML_FUNCTION(nvmlDeviceGetHandleBySerial, (const char *serial, nvmlDevice_t *device), (serial, device), NO_GPU)
{
    if (serial == NULL || device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    return return_device(has_serial, serial, device);
}

typedef struct {
    unsigned int domain;
    unsigned int bus;
    unsigned int device;
    unsigned int function;
} pci_address;

static bool has_pci_address(const target *of, const void *wanted)
{
    const pci_address *address = wanted;
    return of->compute_instance == NULL && address->domain == 0 && address->bus == FIRST_BUS + of->gpu_index &&
           address->device == 0 && address->function == 0;
}

NVML_FUNCTION(nvmlDeviceGetHandleByPciBusId_v2,
              (const char *pciBusId, nvmlDevice_t *device),
              (pciBusId, device), NO_GPU)
{
    if (pciBusId == NULL || device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    pci_address address = {0, 0, 0, 0};
    int end = -1;
    /* [domain:]bus:device[.function] */
    if (sscanf(pciBusId, "%8x:%2x:%2x%n", &address.domain, &address.bus, &address.device, &end) != 3) {
        address.domain = 0;
        if (sscanf(pciBusId, "%2x:%2x%n", &address.bus, &address.device, &end) != 2)
            return NVML_ERROR_INVALID_ARGUMENT;
    }
    int function_end = 0;
    if (pciBusId[end] == '.' && sscanf(pciBusId + end, ".%1x%n", &address.function, &function_end) == 1)
        end += function_end;
    if (pciBusId[end] != '\0')
        return NVML_ERROR_INVALID_ARGUMENT;
    return return_device(has_pci_address, &address, device);
}

/* ---- identity ---------------------------------------------------------------------------------------------------- */

NVML_FUNCTION(nvmlDeviceGetName,
              (nvmlDevice_t device, char *name, unsigned int length),
              (device, name, length), gpu_of_device(device))
{
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    char text[NVML_DEVICE_NAME_V2_BUFFER_SIZE];
    if (at.compute_instance == NULL) {
        snprintf(text, sizeof(text), "%s", at.model->name);
    } else {
        char profile[32];
        compute_profile_name(at.gpu_profile, at.compute_profile, profile, sizeof(profile));
        snprintf(text, sizeof(text), "%s %s", at.model->name, profile);
    }
    state_unlock(false);
    return text_return(text, name, length);
}

NVML_FUNCTION(nvmlDeviceGetUUID,
              (nvmlDevice_t device, char *uuid, unsigned int length),
              (device, uuid, length), gpu_of_device(device))
{
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    char text[UUID_TEXT_SIZE];
    device_uuid(&at, text);
    state_unlock(false);
    return text_return(text, uuid, length);
}

/* MIG devices are numbered under their GPU by GPU instance id and compute instance id, without gaps. */
static unsigned int mig_device_index(const target *of)
{
    unsigned int index = 0;
    for (unsigned int gi = 0; gi <= of->gpu_instance_id; gi++)
        for (unsigned int ci = 0; ci < MAX_COMPUTE_INSTANCES; ci++)
            if (of->gpu->instances[gi].exists && of->gpu->instances[gi].compute[ci].exists &&
                (gi < of->gpu_instance_id || ci < of->compute_instance_id))
                index++;
    return index;
}

NVML_FUNCTION(nvmlDeviceGetIndex, (nvmlDevice_t device, unsigned int *index), (device, index), gpu_of_device(device))
{
    if (index == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *index = at.compute_instance == NULL ? at.gpu_index : mig_device_index(&at);
    return state_unlock(false);
}

static void fill_pci_info(const target *at, nvmlPciInfo_t *info)
{
    *info = (nvmlPciInfo_t){
        .bus = FIRST_BUS + at->gpu_index,
        .pciDeviceId = at->model->pci_device_id,
        .pciSubSystemId = at->model->pci_subsystem_id,
    };
    snprintf(info->busId, sizeof(info->busId), "%08X:%02X:%02X.0", info->domain, info->bus & 0xFF, 0u);
    snprintf(info->busIdLegacy, sizeof(info->busIdLegacy), "%04X:%02X:%02X.0", info->domain & 0xFFFF, info->bus & 0xFF,
             0u);
}

/*
 * Up to `size`. Today's header gives all versions the same struct; the one that they had before was shorter, as pynvml still
 * declares it. So the older ones fill what both have, and a caller with the short one loses nothing that lies behind it.
 */
static nvmlReturn_t get_pci_info(nvmlDevice_t device, nvmlPciInfo_t *pci, size_t size)
{
    if (pci == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    nvmlPciInfo_t filled;
    fill_pci_info(&at, &filled);
    memcpy(pci, &filled, size);
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetPciInfo_v3, (nvmlDevice_t device, nvmlPciInfo_t *pci), (device, pci), gpu_of_device(device))
{
    return get_pci_info(device, pci, sizeof(*pci));
}

NVML_FUNCTION(nvmlDeviceGetPciInfo_v2, (nvmlDevice_t device, nvmlPciInfo_t *pci), (device, pci), gpu_of_device(device))
{
    return get_pci_info(device, pci, offsetof(nvmlPciInfo_t, busId));
}

/* Its struct had no subsystem at first. */
NVML_FUNCTION(nvmlDeviceGetPciInfo, (nvmlDevice_t device, nvmlPciInfo_t *pci), (device, pci), gpu_of_device(device))
{
    return get_pci_info(device, pci, offsetof(nvmlPciInfo_t, pciSubSystemId));
}

/* Measured: the version stays. A base class 3 is a display controller; subclass 2 is a 3D one, 0 one with connectors. */
NVML_FUNCTION(nvmlDeviceGetPciInfoExt, (nvmlDevice_t device, nvmlPciInfoExt_v1_t *pci), (device, pci),
              gpu_of_device(device))
{
    if (pci == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (pci->version != NVML_STRUCT_VERSION(nvmlPciInfoExt_v1_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    target at;
    nvmlReturn_t result = lock_gpu(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    nvmlPciInfo_t known;
    fill_pci_info(&at, &known);
    *pci = (nvmlPciInfoExt_v1_t){
        .version = pci->version,
        .domain = known.domain,
        .bus = known.bus,
        .device = known.device,
        .pciDeviceId = known.pciDeviceId,
        .pciSubSystemId = known.pciSubSystemId,
        .baseClass = 3,
        .subClass = at.model->has_display ? 0 : 2,
    };
    memcpy(pci->busId, known.busId, sizeof(pci->busId));
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetSerial, (nvmlDevice_t device, char *serial, unsigned int length), (device, serial, length),
              gpu_of_device(device))
{
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    char text[SERIAL_TEXT_SIZE];
    serial_of_gpu(at.model->key, at.gpu_index, text);
    state_unlock(false);
    return text_return(text, serial, length);
}

NVML_FUNCTION(nvmlDeviceGetVbiosVersion,
              (nvmlDevice_t device, char *version, unsigned int length),
              (device, version, length), gpu_of_device(device))
{
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    const char *text = at.model->vbios_version;
    state_unlock(false);
    return text == NULL ? NVML_ERROR_NOT_SUPPORTED : text_return(text, version, length);
}

NVML_FUNCTION(nvmlDeviceGetBrand, (nvmlDevice_t device, nvmlBrandType_t *type), (device, type), gpu_of_device(device))
{
    if (type == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    *type = (nvmlBrandType_t)at.model->brand;
    return state_unlock(false);
}

/* ---- modes ------------------------------------------------------------------------------------------------------- */

/* Enabled unless set otherwise, as on the H200 that was measured. */
NVML_FUNCTION(nvmlDeviceGetPersistenceMode, (nvmlDevice_t device, nvmlEnableState_t *mode), (device, mode),
              gpu_of_device(device))
{
    if (mode == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    *mode = at.gpu->persistence_off ? NVML_FEATURE_DISABLED : NVML_FEATURE_ENABLED;
    return state_unlock(false);
}

/* Of a GPU in MIG mode too: the header asks for a MIG device then, but nvidia-smi prints "Default" for the GPU as well. */
NVML_FUNCTION(nvmlDeviceGetComputeMode, (nvmlDevice_t device, nvmlComputeMode_t *mode), (device, mode),
              gpu_of_device(device))
{
    if (mode == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    *mode = at.gpu->compute_mode;
    return state_unlock(false);
}

NVML_FUNCTION(nvmlDeviceGetVirtualizationMode,
              (nvmlDevice_t device, nvmlGpuVirtualizationMode_t *pVirtualMode),
              (device, pVirtualMode), gpu_of_device(device))
{
    if (pVirtualMode == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    *pVirtualMode = at.gpu->in_vm ? NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH : NVML_GPU_VIRTUALIZATION_MODE_NONE;
    return state_unlock(false);
}

/*
 * The machine has no NVLink fabric: what an H200 without one said, which left the padding behind the state as it was. Older
 * GPUs do not know the question (header).
 */
NVML_FUNCTION(nvmlDeviceGetGpuFabricInfo, (nvmlDevice_t device, nvmlGpuFabricInfo_t *gpuFabricInfo),
              (device, gpuFabricInfo), gpu_of_device(device))
{
    if (gpuFabricInfo == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    target at;
    nvmlReturn_t result = lock_gpu_without_mig_device(device, &at);
    if (result != NVML_SUCCESS)
        return result;
    bool knows = at.model->architecture >= ARCHITECTURE_HOPPER;
    if (knows) {
        memset(gpuFabricInfo->clusterUuid, 0, sizeof(gpuFabricInfo->clusterUuid));
        gpuFabricInfo->status = NVML_SUCCESS;
        gpuFabricInfo->cliqueId = 0;
        gpuFabricInfo->state = NVML_GPU_FABRIC_STATE_NOT_SUPPORTED;
    }
    state_unlock(false);
    return knows ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}
