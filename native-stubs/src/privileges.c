#include "privileges.h"

#include <stdatomic.h>
#include <string.h>

static _Atomic privileges allowed = PRIVILEGES_ALL;

nvmlReturn_t privileges_set(const char *text, message_buffer *message)
{
    if (text == NULL || text[0] == '\0' || strcmp(text, "all") == 0)
        allowed = PRIVILEGES_ALL;
    else if (strcmp(text, "config") == 0)
        allowed = PRIVILEGES_CONFIG;
    else if (strcmp(text, "monitor") == 0)
        allowed = PRIVILEGES_MONITOR;
    else if (strcmp(text, "none") == 0)
        allowed = PRIVILEGES_NONE;
    else
        return message_fail(NVML_ERROR_INVALID_ARGUMENT, message,
                            "unknown privileges '%.64s'; there are: all, config, monitor, none", text);
    return NVML_SUCCESS;
}

privileges privileges_of_process(void)
{
    return allowed;
}
