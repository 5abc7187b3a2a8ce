/* How NVML returns a string. */
#ifndef STUB_TEXT_H
#define STUB_TEXT_H

#include "nvml_abi.h"

#include <string.h>

/* Copies `text` into a caller's buffer; INSUFFICIENT_SIZE leaves a buffer that is too short untouched. */
static inline nvmlReturn_t text_return(const char *text, char *buffer, unsigned int length)
{
    if (buffer == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    size_t size = strlen(text) + 1;
    if (size > length)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    memcpy(buffer, text, size);
    return NVML_SUCCESS;
}

#endif
