/*
 * Handles, and what they stand for. A handle is the address of a token that is never read, so that any value a caller
 * passes can be checked. A token belongs to a place, not to an instance: as with the driver, the handle of a destroyed
 * instance becomes that of its successor in the same place.
 */
#ifndef STUB_HANDLES_H
#define STUB_HANDLES_H

#include "state.h"

nvmlDevice_t handle_of_gpu(unsigned int gpu);
nvmlDevice_t handle_of_mig_device(unsigned int gpu, unsigned int gpu_instance, unsigned int compute_instance);
nvmlGpuInstance_t handle_of_gpu_instance(unsigned int gpu, unsigned int gpu_instance);
nvmlComputeInstance_t handle_of_compute_instance(unsigned int gpu, unsigned int gpu_instance,
                                                 unsigned int compute_instance);

/* The index of the GPU that a handle belongs to, whether or not it stands for something now; -1: it is no handle. */
int gpu_of_device(nvmlDevice_t device);
int gpu_of_gpu_instance(nvmlGpuInstance_t instance);
int gpu_of_compute_instance(nvmlComputeInstance_t instance);

/* The object behind a handle, in a locked machine. */
typedef struct {
    unsigned int gpu_index;
    const gpu_model *model;
    gpu_state *gpu;

    unsigned int gpu_instance_id; /* from here on only for GPU instances, compute instances and MIG devices */
    gpu_instance_state *gpu_instance;
    const gpu_profile *gpu_profile;

    unsigned int compute_instance_id; /* and from here on only for compute instances and MIG devices */
    compute_instance_state *compute_instance;
    const compute_profile *compute_profile;
} target;

/*
 * Each locks the machine and finds what the handle stands for. Without a lock: INVALID_ARGUMENT if it is not a handle of
 * that kind or what it stood for is gone, GPU_IS_LOST if the GPU is.
 */
nvmlReturn_t lock_gpu(nvmlDevice_t device, state_access access, target *found);
nvmlReturn_t lock_gpu_or_mig_device(nvmlDevice_t device, state_access access, target *found);
/* For what GPUs have and MIG devices have not: NOT_SUPPORTED for the handle of one. */
nvmlReturn_t lock_gpu_without_mig_device(nvmlDevice_t device, target *found);
nvmlReturn_t lock_gpu_instance(nvmlGpuInstance_t instance, state_access access, target *found);
nvmlReturn_t lock_compute_instance(nvmlComputeInstance_t instance, state_access access, target *found);

/* Completes a target whose GPU is known. False if there is no such instance. */
bool target_gpu_instance(target *of, unsigned int id);
bool target_compute_instance(target *of, unsigned int id);

#endif
