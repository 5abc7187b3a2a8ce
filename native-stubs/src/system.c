#include "calls.h"
#include "driver.h"
#include "session.h"
#include "text.h"

#include <stddef.h>

NVML_FUNCTION(nvmlSystemGetDriverVersion, (char *version, unsigned int length), (version, length), NO_GPU)
{
    return text_return(driver()->driver_version, version, length);
}

NVML_FUNCTION(nvmlSystemGetNVMLVersion, (char *version, unsigned int length), (version, length), NO_GPU)
{
    return text_return(driver()->nvml_version, version, length);
}

NVML_FUNCTION(nvmlSystemGetCudaDriverVersion_v2, (int *cudaDriverVersion), (cudaDriverVersion), NO_GPU)
{
    if (cudaDriverVersion == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *cudaDriverVersion = driver()->cuda_version;
    return NVML_SUCCESS;
}
