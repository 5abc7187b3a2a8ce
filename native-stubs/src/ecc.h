/* Error correction, and the memory rows that it gave up. */
#ifndef STUB_ECC_H
#define STUB_ECC_H

#include "handles.h"

/* Whether a GPU can say which rows it has remapped: Ampere and newer, without GPU instances (header). */
bool ecc_has_rows(const target *of);

/* The errors of a GPU that are counted, in DRAM. */
unsigned int ecc_count(const gpu_state *gpu, nvmlMemoryErrorType_t error, nvmlEccCounterType_t counter);

#endif
