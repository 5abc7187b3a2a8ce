#include "environment.h"

#include "driver.h"
#include "faults.h"
#include "latency.h"
#include "privileges.h"
#include "trace.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static nvmlReturn_t first_result;
static message_buffer first_message;

nvmlReturn_t environment_apply(message_buffer *message)
{
    nvmlReturn_t result = latency_set(getenv("NVML_STUB_LATENCY"), message);
    if (result == NVML_SUCCESS)
        result = faults_set(getenv("NVML_STUB_FAULTS"), message);
    if (result == NVML_SUCCESS)
        result = trace_set(getenv("NVML_STUB_TRACE"), message);
    if (result == NVML_SUCCESS)
        result = driver_set(getenv("NVML_STUB_DRIVER"), message);
    if (result == NVML_SUCCESS)
        result = privileges_set(getenv("NVML_STUB_PRIVILEGES"), message);
    return result;
}

static void apply_once(void)
{
    first_result = environment_apply(&first_message);
}

nvmlReturn_t environment_read(message_buffer *message)
{
    pthread_once(&once, apply_once);
    if (message != NULL)
        *message = first_message;
    return first_result;
}
