#include "calls.h"
#include "session.h"
#include "text.h"

#include <stddef.h>

/* The driver whose answers the stub gives: the one that was measured. */
static const char driver_version[] = "580.159.04";
static const char nvml_version[] = "13.580.159.04";
enum { CUDA_DRIVER_VERSION = 13000 };

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    NVML_CALL();
    return text_return(driver_version, version, length);
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    NVML_CALL();
    return text_return(nvml_version, version, length);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *cudaDriverVersion)
{
    NVML_CALL();
    if (cudaDriverVersion == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *cudaDriverVersion = CUDA_DRIVER_VERSION;
    return NVML_SUCCESS;
}
