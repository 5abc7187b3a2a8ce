#include "faults.h"

#include "call_sites.h"

#include <ctype.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FAULTS = 32 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static fault faults[MAX_FAULTS];
static unsigned long long seen[MAX_FAULTS]; /* calls that each could have struck */
static atomic_uint count;

static bool parse_code(const char *text, int *code)
{
    static const struct {
        const char *name;
        int value;
    } codes[] = {
#define CODE(name, value, text) {#name, value},
        NVML_RETURN_CODES(CODE)
#undef CODE
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i].name, text) == 0) {
            *code = codes[i].value;
            return true;
        }
    }
    char *end;
    long value = strtol(text, &end, 10);
    *code = (int)value;
    return isdigit((unsigned char)text[0]) && *end == '\0' && value <= 9999;
}

/* Steps over a word and the number behind it, digits only, if they stand there. */
static bool take_number(const char **text, const char *word, unsigned int most, unsigned int *number)
{
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0 || !isdigit((unsigned char)(*text)[length]))
        return false;
    char *end;
    unsigned long long value = strtoull(*text + length, &end, 10); /* ULLONG_MAX if it is more than that */
    if (value > most)
        return false;
    *number = (unsigned int)value;
    *text = end;
    return true;
}

/* FUNCTION[#N][:after]=CODE | kill | hang:MS | lose | destroy:GPU/GI[/CI] */
static bool parse_fault(char *text, fault *into)
{
    memset(into, 0, sizeof(*into));
    char *action = strchr(text, '=');
    if (action == NULL)
        return false;
    *action++ = '\0';
    char *after = strstr(text, ":after");
    if (after != NULL && after[strlen(":after")] == '\0') {
        into->after = true;
        *after = '\0';
    }
    char *nth = strchr(text, '#');
    if (nth != NULL) {
        char *end;
        *nth++ = '\0';
        into->nth = strtoull(nth, &end, 10);
        if (!isdigit((unsigned char)nth[0]) || *end != '\0' || into->nth == 0)
            return false;
    }
    if ((size_t)snprintf(into->function, sizeof(into->function), "%s", text) >= sizeof(into->function))
        return false;

    into->compute_instance = -1;
    const char *rest = action;
    if (strcmp(action, "kill") == 0) {
        into->action = FAULT_KILL;
        return true;
    }
    if (strcmp(action, "lose") == 0) {
        into->action = FAULT_LOSE;
        return true;
    }
    if (take_number(&rest, "hang:", UINT_MAX, &into->milliseconds)) {
        into->action = FAULT_HANG;
        return *rest == '\0';
    }
    if (take_number(&rest, "destroy:", UINT_MAX, &into->gpu)) {
        into->action = FAULT_DESTROY;
        if (!take_number(&rest, "/", UINT_MAX, &into->gpu_instance))
            return false;
        unsigned int compute_instance;
        if (take_number(&rest, "/", INT_MAX, &compute_instance))
            into->compute_instance = (int)compute_instance;
        return *rest == '\0';
    }
    into->action = FAULT_RETURN;
    return parse_code(action, &into->code);
}

nvmlReturn_t faults_set(const char *text, message_buffer *message)
{
    fault parsed[MAX_FAULTS];
    unsigned int number = 0;
    char *copy = strdup(text == NULL ? "" : text);
    if (copy == NULL)
        return NVML_ERROR_MEMORY;
    nvmlReturn_t result = NVML_SUCCESS;
    char *rest = copy;
    for (char *item = strtok_r(rest, "; ", &rest); item != NULL; item = strtok_r(NULL, "; ", &rest)) {
        char shown[128];
        snprintf(shown, sizeof(shown), "%s", item);
        if (number == MAX_FAULTS || !parse_fault(item, &parsed[number])) {
            snprintf(message->text, sizeof(message->text),
                     "'%s' is not a fault: write FUNCTION[#N][:after]=ACTION, at most %d of them separated by ';', where "
                     "ACTION is a return code, kill, hang:MS, lose or destroy:GPU/GI[/CI]",
                     shown, MAX_FAULTS);
            result = NVML_ERROR_INVALID_ARGUMENT;
            break;
        }
        if (strcmp(parsed[number].function, "*") != 0 && !call_sites_has(parsed[number].function)) {
            snprintf(message->text, sizeof(message->text), "'%s' would never strike: NVML has no function %.71s", shown,
                     parsed[number].function);
            result = NVML_ERROR_INVALID_ARGUMENT;
            break;
        }
        number++;
    }
    free(copy);
    if (result != NVML_SUCCESS)
        return result;

    pthread_mutex_lock(&mutex);
    memcpy(faults, parsed, sizeof(fault) * number);
    memset(seen, 0, sizeof(seen));
    atomic_store(&count, number);
    pthread_mutex_unlock(&mutex);
    return NVML_SUCCESS;
}

bool fault_for(const char *function, fault *struck_by)
{
    if (atomic_load_explicit(&count, memory_order_relaxed) == 0)
        return false;
    const fault *strikes = NULL;
    pthread_mutex_lock(&mutex);
    unsigned int number = atomic_load(&count);
    for (unsigned int i = 0; i < number; i++) {
        if (strcmp(faults[i].function, "*") != 0 && strcmp(faults[i].function, function) != 0)
            continue;
        seen[i]++;
        if (strikes == NULL && (faults[i].nth == 0 || faults[i].nth == seen[i]))
            strikes = &faults[i];
    }
    if (strikes != NULL)
        *struck_by = *strikes;
    pthread_mutex_unlock(&mutex);
    return strikes != NULL;
}
