#include "faults.h"

#include "call_sites.h"

#include <ctype.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static fault *faults;
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

/* A number from 0 to 1, with a point whatever the locale says. */
static bool take_rate(const char **text, double *rate)
{
    double value = 0;
    double unit = 1;
    bool digits = false;
    bool behind_point = false;
    for (;; (*text)++) {
        if (**text == '.' && !behind_point) {
            behind_point = true;
        } else if (isdigit((unsigned char)**text)) {
            digits = true;
            unit = behind_point ? unit / 10 : unit;
            value = behind_point ? value + unit * (**text - '0') : value * 10 + (**text - '0');
        } else {
            break;
        }
    }
    *rate = value;
    return digits && value <= 1;
}

/* [#N][@GPU][~RATE/SEED] behind a function: which of its calls a fault strikes. */
static bool parse_calls(const char *text, fault *into)
{
    unsigned int number;
    if (*text == '#') {
        char *end;
        into->nth = strtoull(text + 1, &end, 10);
        if (!isdigit((unsigned char)text[1]) || into->nth == 0)
            return false;
        text = end;
    }
    if (take_number(&text, "@", INT_MAX, &number))
        into->only_gpu = (int)number;
    if (*text == '~') {
        text++;
        into->is_random = true;
        if (into->nth != 0 || !take_rate(&text, &into->rate) || !take_number(&text, "/", UINT_MAX, &into->seed))
            return false;
    }
    return *text == '\0';
}

/* FUNCTION[#N][@GPU][~RATE/SEED][:after]=CODE | activation:CODE | kill | hang:MS | lose | destroy:GPU/GI[/CI] */
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
    size_t name = strcspn(text, "#@~");
    into->only_gpu = -1;
    if (!parse_calls(text + name, into))
        return false;
    text[name] = '\0';
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
    if (strncmp(action, "activation:", strlen("activation:")) == 0) {
        into->action = FAULT_ACTIVATION;
        return !into->after && strcmp(into->function, "nvmlDeviceSetMigMode") == 0 &&
               parse_code(action + strlen("activation:"), &into->code);
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

/* Parses one more into a list; on failure the line that says why. */
static nvmlReturn_t add_fault(char *item, fault **list, unsigned int *number, message_buffer *message)
{
    char shown[128];
    snprintf(shown, sizeof(shown), "%s", item);
    fault *longer = realloc(*list, (*number + 1) * sizeof(fault));
    if (longer == NULL)
        return NVML_ERROR_MEMORY;
    *list = longer;
    fault *added = &longer[*number];
    if (!parse_fault(item, added))
        return message_fail(NVML_ERROR_INVALID_ARGUMENT, message,
                            "'%s' is not a fault: write FUNCTION[#N][@GPU][~RATE/SEED][:after]=ACTION, separated by ';', "
                            "where ACTION is a return code, activation:CODE (of nvmlDeviceSetMigMode), kill, hang:MS, lose "
                            "or destroy:GPU/GI[/CI]",
                            shown);
    if (strcmp(added->function, "*") != 0 && !call_sites_has(added->function))
        return message_fail(NVML_ERROR_INVALID_ARGUMENT, message,
                            "'%s' would never strike: NVML has no function %.71s", shown, added->function);
    (*number)++;
    return NVML_SUCCESS;
}

nvmlReturn_t faults_set(const char *text, message_buffer *message)
{
    char *copy = strdup(text == NULL ? "" : text);
    if (copy == NULL)
        return NVML_ERROR_MEMORY;
    fault *list = NULL;
    unsigned int number = 0;
    nvmlReturn_t result = NVML_SUCCESS;
    char *rest = copy;
    for (char *item = strtok_r(rest, "; ", &rest); item != NULL && result == NVML_SUCCESS;
         item = strtok_r(NULL, "; ", &rest))
        result = add_fault(item, &list, &number, message);
    free(copy);
    if (result != NVML_SUCCESS) {
        free(list);
        return result;
    }

    pthread_mutex_lock(&mutex);
    fault *before = faults;
    faults = list;
    atomic_store(&count, number);
    pthread_mutex_unlock(&mutex);
    free(before);
    return NVML_SUCCESS;
}

/* The same for the same seed and call in every run, whatever thread makes it: splitmix64. */
static bool draws(const fault *of)
{
    uint64_t z = ((uint64_t)of->seed << 32) + of->seen * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (double)(z >> 11) / 9007199254740992.0 < of->rate;
}

bool fault_for(const char *function, int gpu, fault *struck_by)
{
    if (atomic_load_explicit(&count, memory_order_relaxed) == 0)
        return false;
    const fault *strikes = NULL;
    pthread_mutex_lock(&mutex);
    unsigned int number = atomic_load(&count);
    for (unsigned int i = 0; i < number; i++) {
        fault *candidate = &faults[i];
        if ((strcmp(candidate->function, "*") != 0 && strcmp(candidate->function, function) != 0) ||
            (candidate->only_gpu >= 0 && candidate->only_gpu != gpu))
            continue;
        candidate->seen++;
        bool its_turn = candidate->is_random ? draws(candidate) : candidate->nth == 0 || candidate->nth == candidate->seen;
        if (strikes == NULL && its_turn)
            strikes = candidate;
    }
    if (strikes != NULL)
        *struck_by = *strikes;
    pthread_mutex_unlock(&mutex);
    return strikes != NULL;
}
