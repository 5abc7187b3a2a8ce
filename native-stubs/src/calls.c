#include "calls.h"

#include <stddef.h>
#include <string.h>

/* Every counter that was ever used; a function's counter joins at its first call. */
static _Atomic(call_counter *) counters;

void call_count(call_counter *counter)
{
    atomic_fetch_add_explicit(&counter->calls, 1, memory_order_relaxed);
    if (atomic_load_explicit(&counter->listed, memory_order_relaxed) || atomic_exchange(&counter->listed, true))
        return;
    counter->next = atomic_load(&counters);
    while (!atomic_compare_exchange_weak(&counters, &counter->next, counter)) {
    }
}

unsigned long long call_get_count(const char *function)
{
    unsigned long long count = 0;
    for (call_counter *counter = atomic_load(&counters); counter != NULL; counter = counter->next)
        if (function == NULL || strcmp(counter->function, function) == 0)
            count += atomic_load(&counter->calls);
    return count;
}

void call_reset_counts(void)
{
    for (call_counter *counter = atomic_load(&counters); counter != NULL; counter = counter->next)
        atomic_store(&counter->calls, 0);
}
