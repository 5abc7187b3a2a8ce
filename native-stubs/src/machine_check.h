/* Whether bytes are a machine. */
#ifndef STUB_MACHINE_CHECK_H
#define STUB_MACHINE_CHECK_H

#include "machine.h"
#include "models.h"

/* Whether calls could have made this machine; on success the models of its GPUs. */
bool machine_is_possible(const machine_state *of, const gpu_model *models_of[MAX_GPUS]);

#endif
