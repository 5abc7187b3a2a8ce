#include "message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

nvmlReturn_t message_fail(nvmlReturn_t result, message_buffer *message, const char *format, ...)
{
    if (message != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(message->text, sizeof(message->text), format, arguments);
        va_end(arguments);
    }
    return result;
}

nvmlReturn_t message_fail_errno(message_buffer *message, const char *path, const char *act, int error)
{
    nvmlReturn_t result =
        error == EACCES || error == EPERM || error == EROFS ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_OPERATING_SYSTEM;
    return message_fail(result, message, "cannot %s the state file %s: %s", act, path, strerror(error));
}
