#include "calls.h"
#include "session.h"
#include "text.h"

#include <stddef.h>

/* The driver whose answers the stub gives: the one that was measured. */
static const char driver_version[] = "580.159.04";
static const char nvml_version[] = "13.580.159.04";
enum { CUDA_DRIVER_VERSION = 13000 };

NVML_FUNCTION(nvmlSystemGetDriverVersion, (char *version, unsigned int length), (version, length), NO_GPU)
{
    return text_return(driver_version, version, length);
}

NVML_FUNCTION(nvmlSystemGetNVMLVersion, (char *version, unsigned int length), (version, length), NO_GPU)
{
    return text_return(nvml_version, version, length);
}

NVML_FUNCTION(nvmlSystemGetCudaDriverVersion_v2, (int *cudaDriverVersion), (cudaDriverVersion), NO_GPU)
{
    if (cudaDriverVersion == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *cudaDriverVersion = CUDA_DRIVER_VERSION;
    return NVML_SUCCESS;
}
