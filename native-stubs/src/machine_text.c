#include "machine_text.h"

#include "driver.h"
#include "models.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char default_machine[] = "A100-SXM4-40GB";
static const char swapped_board[] = "+swapped";
static const char virtual_machine[] = "+vm";

/* Lists the models whose keys begin like `key` if some do, else all. */
static void list_models(const char *key, size_t key_length, char *text, size_t size)
{
    bool some = false;
    for (size_t i = 0; i < all_models_count; i++)
        some = some || strncasecmp(all_models[i]->key, key, key_length) == 0;
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < all_models_count && length < size; i++)
        if (!some || strncasecmp(all_models[i]->key, key, key_length) == 0)
            length += (size_t)snprintf(text + length, size - length, "%s%s", length == 0 ? "" : ", ", all_models[i]->key);
}

/* Steps over a word if it stands there. */
static bool take_word(const char **text, const char *word)
{
    bool there = strncmp(*text, word, strlen(word)) == 0;
    *text += there ? strlen(word) : 0;
    return there;
}

nvmlReturn_t machine_parse(const char *gpus, machine_state *into, message_buffer *message)
{
    memset(into, 0, sizeof(*into));
    for (const char *item = gpus == NULL || gpus[0] == '\0' ? default_machine : gpus;; item++) {
        item += strspn(item, " ");
        size_t length = strcspn(item, ",");
        size_t key_length = strcspn(item, "+*, ");
        unsigned long count = 1;
        const char *after = item + key_length;
        bool swapped = take_word(&after, swapped_board);
        bool in_vm = take_word(&after, virtual_machine);
        after += strspn(after, " ");
        if (*after == '*') {
            char *end;
            errno = 0;
            count = strtoul(after + 1, &end, 10);
            if (end == after + 1 || after[1] == '-' || errno != 0 || count == 0 || count > MAX_GPUS)
                return message_fail(NVML_ERROR_INVALID_ARGUMENT, message,
                            "'%.*s': the count after * must be a number from 1 to %d", (int)length, item, MAX_GPUS);
            after = end + strspn(end, " ");
        }
        if (after != item + length)
            return message_fail(NVML_ERROR_INVALID_ARGUMENT, message, "'%.*s' is not of the form MODEL[+swapped][+vm][*COUNT]",
                        (int)length, item);

        bool ambiguous;
        const gpu_model *model = model_find(item, key_length, &ambiguous);
        if (model == NULL || !driver_has_model(model)) {
            const unknown_model *unknown = unknown_model_find(item, key_length);
            if (unknown != NULL)
                return message_fail(NVML_ERROR_INVALID_ARGUMENT, message, "%s cannot be simulated truly: %s", unknown->key,
                            unknown->missing);
            char known[sizeof(message->text) - 64];
            list_models(item, ambiguous ? key_length : 0, known, sizeof(known));
            return message_fail(NVML_ERROR_INVALID_ARGUMENT, message, "%s GPU model '%.*s'; there are: %s",
                        ambiguous ? "ambiguous" : "unknown", (int)key_length, item, known);
        }
        if (into->gpu_count + count > MAX_GPUS)
            return message_fail(NVML_ERROR_INVALID_ARGUMENT, message, "a machine has at most %d GPUs", MAX_GPUS);
        for (; count > 0; count--) {
            gpu_state *gpu = &into->gpus[into->gpu_count++];
            snprintf(gpu->model, MODEL_KEY_SIZE, "%s", model->key);
            gpu->swapped = swapped;
            gpu->in_vm = in_vm;
        }

        item += length;
        if (*item == '\0')
            return NVML_SUCCESS;
    }
}

static bool is_same_gpu(const gpu_state *a, const gpu_state *b)
{
    return strcmp(a->model, b->model) == 0 && a->swapped == b->swapped && a->in_vm == b->in_vm;
}

void machine_describe(const machine_state *of, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (unsigned int first = 0, next; first < of->gpu_count && length < size; first = next) {
        for (next = first + 1; next < of->gpu_count; next++)
            if (!is_same_gpu(&of->gpus[next], &of->gpus[first]))
                break;
        length += (size_t)snprintf(text + length, size - length, "%s%s%s%s", first == 0 ? "" : ",", of->gpus[first].model,
                                   of->gpus[first].swapped ? swapped_board : "",
                                   of->gpus[first].in_vm ? virtual_machine : "");
        if (next - first > 1 && length < size)
            length += (size_t)snprintf(text + length, size - length, "*%u", next - first);
    }
}

bool machine_has_same_gpus(const machine_state *a, const machine_state *b)
{
    if (a->gpu_count != b->gpu_count)
        return false;
    for (unsigned int g = 0; g < a->gpu_count; g++)
        if (!is_same_gpu(&a->gpus[g], &b->gpus[g]))
            return false;
    return true;
}
