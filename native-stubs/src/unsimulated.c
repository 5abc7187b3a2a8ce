#include "unsimulated.h"

#include "calls.h"
#include "handles.h"

/*
 * Only the first argument is looked at, so that their prototypes need not be known: the calling convention allows it for
 * pointers and integers, and a function that looks at no argument can be called with any.
 */
static nvmlReturn_t answer_device(nvmlDevice_t device)
{
    target at;
    nvmlReturn_t result = lock_gpu_or_mig_device(device, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    state_unlock(false);
    return NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t answer_gpu_instance(nvmlGpuInstance_t instance)
{
    target at;
    nvmlReturn_t result = lock_gpu_instance(instance, STATE_READ, &at);
    if (result != NVML_SUCCESS)
        return result;
    state_unlock(false);
    return NVML_ERROR_NOT_SUPPORTED;
}

#define OF_DEVICE(name)                                                                                                \
    NVML_EXPORT nvmlReturn_t name(nvmlDevice_t device);                                                                \
    NVML_FUNCTION(name, (nvmlDevice_t device), (device), gpu_of_device(device))                                        \
    {                                                                                                                  \
        return answer_device(device);                                                                                  \
    }

#define OF_GPU_INSTANCE(name)                                                                                          \
    NVML_EXPORT nvmlReturn_t name(nvmlGpuInstance_t instance);                                                         \
    NVML_FUNCTION(name, (nvmlGpuInstance_t instance), (instance), gpu_of_gpu_instance(instance))                       \
    {                                                                                                                  \
        return answer_gpu_instance(instance);                                                                          \
    }

#define OTHER(name)                                                                                                    \
    NVML_EXPORT nvmlReturn_t name(void);                                                                               \
    NVML_FUNCTION(name, (void), (), NO_GPU)                                                                            \
    {                                                                                                                  \
        return NVML_ERROR_NOT_SUPPORTED;                                                                               \
    }

UNSIMULATED_OF_DEVICES(OF_DEVICE)
UNSIMULATED_OF_GPU_INSTANCES(OF_GPU_INSTANCE)
UNSIMULATED_OTHERS(OTHER)
