/* Where instances fit on a GPU, where the driver puts them, and the ids that it gives them. */
#ifndef STUB_GEOMETRY_H
#define STUB_GEOMETRY_H

#include "machine.h"
#include "models.h"

#include <stdbool.h>

/* The memory slices of a GPU that instances occupy, as a bit set. */
uint32_t gpu_occupied(const gpu_model *model, const gpu_state *gpu);

bool gpu_has_instances(const gpu_state *gpu);

/* How many instances of a profile are on a GPU. */
unsigned int gpu_existing(const gpu_state *gpu, const gpu_profile *profile);

/* How many more instances of a profile a GPU can take: by the profile's own limit, the engines left and the free places. */
unsigned int gpu_remaining(const gpu_model *model, const gpu_state *gpu, const gpu_profile *profile);

/* Where the driver puts a new instance that no placement was asked for; -1: nowhere. */
int gpu_default_start(const gpu_model *model, const gpu_state *gpu, const gpu_profile *profile);

/* The id of the GPU instance that covers `span` memory slices from `start`. */
unsigned int gpu_instance_id(const gpu_model *model, const gpu_state *gpu, unsigned int start, unsigned int span);

/* The same three for compute instances in the compute slices of a GPU instance. */
uint32_t compute_occupied(const gpu_profile *profile, const gpu_instance_state *instance);
unsigned int compute_remaining(const gpu_profile *profile, const gpu_instance_state *instance,
                               const compute_profile *compute);
int compute_default_start(const gpu_model *model, const gpu_profile *profile, const gpu_instance_state *instance,
                          const compute_profile *compute);

bool fits(uint32_t occupied, unsigned int start, unsigned int span);

/* Adds the slices if they are free. */
bool occupy(uint32_t *occupied, unsigned int start, unsigned int span);

#endif
