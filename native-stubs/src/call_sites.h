/* All exported functions, by name: how often each was called. */
#ifndef STUB_CALL_SITES_H
#define STUB_CALL_SITES_H

#include <stdatomic.h>
#include <stdbool.h>

/* One for each function. */
typedef struct call_site {
    const char *function;
    atomic_ullong calls;
} call_site;

/* The calls of a function; NULL: of all together. */
unsigned long long call_sites_count(const char *function);
void call_sites_reset(void);

/* Whether there is a function of that name. */
bool call_sites_has(const char *function);

#endif
