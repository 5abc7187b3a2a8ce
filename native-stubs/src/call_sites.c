#include "call_sites.h"

#include <stddef.h>
#include <string.h>

/* The section that NVML_FUNCTION fills: the linker makes these two, from its name. */
extern call_site *__start_call_sites[] __attribute__((visibility("hidden")));
extern call_site *__stop_call_sites[] __attribute__((visibility("hidden")));

bool call_sites_has(const char *function)
{
    for (call_site **site = __start_call_sites; site < __stop_call_sites; site++)
        if (strcmp((*site)->function, function) == 0)
            return true;
    return false;
}

unsigned long long call_sites_count(const char *function)
{
    unsigned long long calls = 0;
    for (call_site **site = __start_call_sites; site < __stop_call_sites; site++)
        if (function == NULL || strcmp((*site)->function, function) == 0)
            calls += atomic_load(&(*site)->calls);
    return calls;
}

void call_sites_reset(void)
{
    for (call_site **site = __start_call_sites; site < __stop_call_sites; site++)
        atomic_store(&(*site)->calls, 0);
}
