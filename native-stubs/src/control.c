#include "nvml_stub.h"

#include "call_sites.h"
#include "environment.h"
#include "faults.h"
#include "latency.h"
#include "models.h"
#include "privileges.h"
#include "session.h"
#include "state_file.h"
#include "text.h"

static nvmlReturn_t say(nvmlReturn_t result, const message_buffer *message, char *buffer, unsigned int length)
{
    if (buffer != NULL && length > 0) {
        size_t size = strnlen(message->text, length - 1);
        memcpy(buffer, message->text, size);
        buffer[size] = '\0';
    }
    return result;
}

nvmlReturn_t nvmlStubConfigure(const char *gpus, const char *stateFile, const char *driver, char *message,
                               unsigned int messageLength)
{
    message_buffer said = {""};
    return say(session_configure(gpus, stateFile, driver, &said), &said, message, messageLength);
}

nvmlReturn_t nvmlStubReset(const char *gpus, const char *stateFile, char *message, unsigned int messageLength)
{
    if (stateFile == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    message_buffer said = {""};
    return say(state_file_reset(gpus, stateFile, &said), &said, message, messageLength);
}

nvmlReturn_t nvmlStubGetModel(unsigned int index, nvmlStubModel_t *model)
{
    if (model == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (index < all_models_count) {
        const gpu_model *known = all_models[index];
        *model = (nvmlStubModel_t){
            .key = known->key,
            .name = known->name,
            .note = known->note,
            .simulated = 1,
            .mig = known->profile_count > 0,
            .memoryMiB = known->memory_mib,
            .bar1MiB = known->bar1_mib,
            .memoryDerived = (known->derived & DERIVED_MEMORY) != 0,
            .bar1Derived = (known->derived & DERIVED_BAR1) != 0,
        };
        return NVML_SUCCESS;
    }
    index -= (unsigned int)all_models_count;
    if (index >= unknown_models_count)
        return NVML_ERROR_NOT_FOUND;
    const unknown_model *unknown = &unknown_models[index];
    *model = (nvmlStubModel_t){.key = unknown->key, .name = unknown->name, .note = unknown->missing, .mig = 1};
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlStubSetLatency(const char *latency, char *message, unsigned int messageLength)
{
    environment_read(NULL);
    message_buffer said = {""};
    return say(latency_set(latency, &said), &said, message, messageLength);
}

nvmlReturn_t nvmlStubSetFaults(const char *faults, char *message, unsigned int messageLength)
{
    environment_read(NULL);
    message_buffer said = {""};
    return say(faults_set(faults, &said), &said, message, messageLength);
}

nvmlReturn_t nvmlStubSetPrivileges(const char *may, char *message, unsigned int messageLength)
{
    environment_read(NULL);
    message_buffer said = {""};
    return say(privileges_set(may, &said), &said, message, messageLength);
}

unsigned long long nvmlStubGetCallCount(const char *function)
{
    return call_sites_count(function);
}
