#include "nvml_stub.h"

#include "calls.h"
#include "text.h"

static nvmlReturn_t say(nvmlReturn_t result, const state_message *message, char *buffer, unsigned int length)
{
    if (buffer != NULL && length > 0) {
        size_t size = strnlen(message->text, length - 1);
        memcpy(buffer, message->text, size);
        buffer[size] = '\0';
    }
    return result;
}

nvmlReturn_t nvmlStubConfigure(const char *gpus, const char *stateFile, char *message, unsigned int messageLength)
{
    state_message said = {""};
    return say(session_configure(gpus, stateFile, &said), &said, message, messageLength);
}

nvmlReturn_t nvmlStubReset(const char *gpus, const char *stateFile, char *message, unsigned int messageLength)
{
    if (stateFile == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    state_message said = {""};
    return say(state_reset(gpus, stateFile, &said), &said, message, messageLength);
}

unsigned long long nvmlStubGetCallCount(const char *function)
{
    return call_get_count(function);
}
