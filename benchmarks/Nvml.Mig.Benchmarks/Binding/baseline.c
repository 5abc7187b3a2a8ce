/* A C program gets a text or a list of its own by a call into a buffer on the stack and a copy from malloc. */
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 96, MAX_PLACEMENTS = 256 };

typedef struct {
    unsigned int start;
    unsigned int size;
} placement;

typedef int (*get_name)(void *device, char *name, unsigned int length);
typedef int (*get_placements)(void *device, unsigned int profile, placement *placements, unsigned int *count);

static void *volatile kept; /* lest the compiler leaves out a copy that nobody reads */

int baseline_name(get_name get, void *device)
{
    char name[NAME_SIZE];
    int result = get(device, name, NAME_SIZE);
    if (result != 0)
        return result;
    kept = strdup(name);
    free(kept);
    return 0;
}

int baseline_placements(get_placements get, void *device, unsigned int profile)
{
    placement buffer[MAX_PLACEMENTS];
    unsigned int count = MAX_PLACEMENTS;
    int result = get(device, profile, buffer, &count);
    if (result != 0)
        return result;
    placement *copy = malloc(count * sizeof(*copy));
    if (copy == NULL)
        return -1;
    kept = memcpy(copy, buffer, count * sizeof(*copy));
    free(kept);
    return 0;
}
