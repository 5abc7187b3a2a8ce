#include "attachment.h"

#include <stdatomic.h>

static atomic_uint initialisations;
static atomic_bool attached; /* to the machine's GPUs */

bool attachment_is_open(void)
{
    return atomic_load_explicit(&initialisations, memory_order_acquire) > 0;
}

unsigned int attachment_gpu_count(const machine_state *machine)
{
    return atomic_load_explicit(&attached, memory_order_relaxed) ? machine->gpu_count : 0;
}

void attachment_add(bool attaches, bool forced)
{
    if (!attachment_is_open())
        atomic_store(&attached, attaches);
    else if (attaches && forced)
        atomic_store(&attached, true);
    atomic_fetch_add(&initialisations, 1);
}

unsigned int attachment_remove(void)
{
    unsigned int count = atomic_load(&initialisations);
    while (count > 0 && !atomic_compare_exchange_weak(&initialisations, &count, count - 1)) {
    }
    return count;
}
