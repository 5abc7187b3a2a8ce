#include "attachment.h"
#include "calls.h"
#include "driver.h"
#include "text.h"

#include <stddef.h>

NVML_FUNCTION(nvmlSystemGetDriverVersion, (char *version, unsigned int length), (version, length), NO_GPU)
{
    return text_return(driver()->driver_version, version, length);
}

/* Asked of the libraries of 470, 535, 550 and 580: all but the first answer before they are initialised, too. */
NVML_FUNCTION(nvmlSystemGetNVMLVersion, (char *version, unsigned int length), (version, length), NEEDS_NO_INIT)
{
    if (!attachment_is_open() && driver()->branch < 525)
        return NVML_ERROR_UNINITIALIZED;
    return text_return(driver()->nvml_version, version, length);
}

NVML_FUNCTION(nvmlSystemGetCudaDriverVersion_v2, (int *cudaDriverVersion), (cudaDriverVersion), NO_GPU)
{
    if (cudaDriverVersion == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *cudaDriverVersion = driver()->cuda_version;
    return NVML_SUCCESS;
}

/* Measured on driver 580: a wrong version is told apart, and stays as it is. */
NVML_FUNCTION(nvmlSystemGetDriverBranch, (nvmlSystemDriverBranchInfo_t *branchInfo, unsigned int length),
              (branchInfo, length), NO_GPU)
{
    if (branchInfo == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (branchInfo->version != NVML_STRUCT_VERSION(nvmlSystemDriverBranchInfo_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (driver()->branch_name == NULL)
        return NVML_ERROR_NOT_SUPPORTED;
    return text_return(driver()->branch_name, branchInfo->branch, length);
}
