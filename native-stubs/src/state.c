#include "state.h"

#include "geometry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A state file is this header and two machines. A change is written to the machine that is not active; then the header
 * is rewritten to make it so. A process that dies between the two writes leaves the old machine active. Every access
 * holds a lock of the open file description, which the kernel drops with the process.
 */
typedef struct {
    char magic[8];
    uint32_t format;
    uint32_t machine_size;
    uint64_t generation; /* counts changes: an unchanged number means that our copy is current */
    uint32_t active;
    uint32_t checksum; /* of the active machine */
} file_header;

static const char file_magic[8] = {'N', 'V', 'M', 'L', 'S', 'T', 'U', 'B'};
enum { FILE_FORMAT = 8 };

_Static_assert(sizeof(gpu_state) % 8 == 0 || sizeof(gpu_state) * MAX_GPUS % 8 == 0, "the state file has no padding");

static const char default_machine[] = "A100-SXM4-40GB";
static const char swapped_board[] = "+swapped";
static const char virtual_machine[] = "+vm";

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static machine_state machines[2];
static machine_state *machine = &machines[0]; /* as last read or committed */
static machine_state *change = &machines[1];  /* the copy that a change is made in; a commit swaps the two */
static const gpu_model *models[MAX_GPUS];     /* of `machine` */
static int file = -1;                         /* -1: the machine is private to this process */
static pid_t opened_by;                       /* the process that opened it */
static file_header header;                    /* the one that `machine` was read with */

/* ---- saying what is wrong ---------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4)))
static nvmlReturn_t fail(nvmlReturn_t result, state_message *message, const char *format, ...)
{
    if (message != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(message->text, sizeof(message->text), format, arguments);
        va_end(arguments);
    }
    return result;
}

static nvmlReturn_t fail_errno(state_message *message, const char *path, const char *act, int error)
{
    nvmlReturn_t result =
        error == EACCES || error == EPERM || error == EROFS ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_OPERATING_SYSTEM;
    return fail(result, message, "cannot %s the state file %s: %s", act, path, strerror(error));
}

/* ---- a machine from its description ------------------------------------------------------------------------------ */

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

static nvmlReturn_t parse_machine(const char *gpus, machine_state *into, state_message *message)
{
    memset(into, 0, sizeof(*into));
    for (const char *item = gpus;; item++) {
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
                return fail(NVML_ERROR_INVALID_ARGUMENT, message,
                            "'%.*s': the count after * must be a number from 1 to %d", (int)length, item, MAX_GPUS);
            after = end + strspn(end, " ");
        }
        if (after != item + length)
            return fail(NVML_ERROR_INVALID_ARGUMENT, message, "'%.*s' is not of the form MODEL[+swapped][+vm][*COUNT]",
                        (int)length, item);

        bool ambiguous;
        const gpu_model *model = model_find(item, key_length, &ambiguous);
        if (model == NULL) {
            const unknown_model *unknown = unknown_model_find(item, key_length);
            if (unknown != NULL)
                return fail(NVML_ERROR_INVALID_ARGUMENT, message, "%s cannot be simulated truly: %s", unknown->key,
                            unknown->missing);
            char known[sizeof(message->text) - 64];
            list_models(item, ambiguous ? key_length : 0, known, sizeof(known));
            return fail(NVML_ERROR_INVALID_ARGUMENT, message, "%s GPU model '%.*s'; there are: %s",
                        ambiguous ? "ambiguous" : "unknown", (int)key_length, item, known);
        }
        if (into->gpu_count + count > MAX_GPUS)
            return fail(NVML_ERROR_INVALID_ARGUMENT, message, "a machine has at most %d GPUs", MAX_GPUS);
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

static void describe_machine(const machine_state *of, char *text, size_t size)
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

/* Whether the compute instances of a GPU instance can stand together. */
static bool are_compute_instances(const gpu_profile *profile, const gpu_instance_state *instance)
{
    uint32_t occupied = 0;
    for (unsigned int id = 0; id < MAX_COMPUTE_INSTANCES; id++) {
        const compute_instance_state *compute = &instance->compute[id];
        if (!compute->exists)
            continue;
        const compute_profile *taken = profile_compute_by_id(profile, compute->profile_id);
        if (taken == NULL || compute->start >= profile->slices ||
            (taken->starts & AT(compute->start)) == 0 ||
            !occupy(&occupied, compute->start, taken->span))
            return false;
    }
    return true;
}

/* Whether the instances of a GPU can stand together, each where its id says. */
static bool are_instances(const gpu_model *model, const gpu_state *gpu)
{
    uint32_t occupied = 0;
    for (unsigned int id = 0; id < MAX_GPU_INSTANCE_IDS; id++) {
        const gpu_instance_state *instance = &gpu->instances[id];
        if (!instance->exists)
            continue;
        const gpu_profile *profile = model_profile_by_id(model, instance->profile_id);
        if (!gpu->mig_enabled || profile == NULL || instance->start >= model->memory_slices ||
            (profile->starts & AT(instance->start)) == 0 ||
            gpu_instance_id(model, gpu, instance->start, profile->span) != id ||
            !occupy(&occupied, instance->start, profile->span) || !are_compute_instances(profile, instance))
            return false;
    }
    for (size_t i = 0; i < model->profile_count; i++)
        if (gpu_existing(gpu, &model->profiles[i]) > model->profiles[i].max_instances)
            return false;
    return true;
}

/*
 * Whether bytes that claim to be a machine are one that calls could have made: whatever a file holds, no call may be led
 * out of an array by it, and no caller be given more instances than a profile has.
 */
static bool is_machine(const machine_state *of, const gpu_model *models_of[MAX_GPUS])
{
    if (of->gpu_count == 0 || of->gpu_count > MAX_GPUS)
        return false;
    for (unsigned int g = 0; g < of->gpu_count; g++) {
        const gpu_state *gpu = &of->gpus[g];
        bool ambiguous;
        size_t length = strnlen(gpu->model, MODEL_KEY_SIZE);
        models_of[g] = length == MODEL_KEY_SIZE ? NULL : model_find(gpu->model, length, &ambiguous);
        if (models_of[g] == NULL || gpu->swapped > 1 || gpu->in_vm > 1 || gpu->lost > 1 ||
            gpu->persistence_off > 1 || gpu->row_remap_pending > 1 || gpu->row_remap_failed > 1 ||
            gpu->mig_enabled > 1 || gpu->mig_pending > 1 || !are_instances(models_of[g], gpu))
            return false;
        for (unsigned int i = 0; i < MAX_CLIENTS; i++)
            if (gpu->clients[i].name[sizeof(gpu->clients[i].name) - 1] != '\0')
                return false;
    }
    return true;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* FNV-1a */
static uint32_t checksum(const machine_state *of)
{
    const unsigned char *bytes = (const unsigned char *)of;
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < sizeof(*of); i++)
        hash = (hash ^ bytes[i]) * UINT32_C(16777619);
    return hash;
}

static off_t machine_offset(uint32_t slot)
{
    return (off_t)(sizeof(file_header) + slot * sizeof(machine_state));
}

static nvmlReturn_t lock_range(int descriptor, short type, off_t start, off_t length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    int result;
    do
        result = fcntl(descriptor, F_OFD_SETLKW, &lock);
    while (result != 0 && errno == EINTR);
    return result == 0 ? NVML_SUCCESS : NVML_ERROR_OPERATING_SYSTEM;
}

static nvmlReturn_t lock_file(int descriptor, short type)
{
    return lock_range(descriptor, type, 0, machine_offset(2));
}

static bool write_all(int descriptor, const void *bytes, size_t size, off_t offset)
{
    while (size > 0) {
        ssize_t written = pwrite(descriptor, bytes, size, offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = ENOSPC;
        if (written <= 0)
            return false;
        bytes = (const char *)bytes + written;
        size -= (size_t)written;
        offset += written;
    }
    return true;
}

/* Whether the file begins as ours does, whatever its version and however it ends. */
static bool is_ours(int descriptor, file_header *found)
{
    memset(found, 0, sizeof(*found));
    return pread(descriptor, found, sizeof(*found), 0) > (ssize_t)sizeof(file_magic) &&
           memcmp(found->magic, file_magic, sizeof(file_magic)) == 0;
}

/* Brings `machine` up to date with the file, which must be locked. */
static nvmlReturn_t read_file(int descriptor, const char *path, state_message *message)
{
    file_header found;
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return fail_errno(message, path, "read", errno);
    if (!S_ISREG(status.st_mode) || !is_ours(descriptor, &found))
        return fail(NVML_ERROR_INVALID_STATE, message,
                    "%s is not a state file of the NVML stub; it was left untouched", path);
    if (found.format != FILE_FORMAT || found.machine_size != sizeof(machine_state))
        return fail(NVML_ERROR_INVALID_STATE, message,
                    "the state file %s was written by another version of the NVML stub; it was left untouched "
                    "(reset it, or name another file)", path);
    if (status.st_nlink == 0) /* deleted, or replaced by a reset: whoever opens the path now gets another machine */
        return fail(NVML_ERROR_INVALID_STATE, message, "the state file %s was deleted", path);
    if (status.st_size != machine_offset(2))
        return fail(NVML_ERROR_INVALID_STATE, message, "the state file %s is damaged; it was left untouched (reset it, or name another file)", path);
    if (found.generation == header.generation && found.checksum == header.checksum && header.generation != 0)
        return NVML_SUCCESS;

    machine_state read;
    const gpu_model *read_models[MAX_GPUS] = {NULL};
    if (found.active > 1 ||
        pread(descriptor, &read, sizeof(read), machine_offset(found.active)) != (ssize_t)sizeof(read) ||
        checksum(&read) != found.checksum || !is_machine(&read, read_models))
        return fail(NVML_ERROR_INVALID_STATE, message, "the state file %s is damaged; it was left untouched (reset it, or name another file)", path);
    *machine = read;
    memcpy(models, read_models, sizeof(models));
    header = found;
    return NVML_SUCCESS;
}

/* Makes `next` the active machine of a locked file whose header is `current`. */
static bool write_change(int descriptor, const machine_state *next, file_header *current)
{
    file_header changed = *current;
    changed.active = 1 - current->active;
    changed.generation++;
    changed.checksum = checksum(next);
    if (!write_all(descriptor, next, sizeof(*next), machine_offset(changed.active)) ||
        !write_all(descriptor, &changed, sizeof(changed), 0))
        return false;
    *current = changed;
    return true;
}

/* Writes a complete new file beside `path`, for link() or rename() to put it in place whole. */
static nvmlReturn_t write_new_file(const char *path, const machine_state *initial, char *temporary, size_t size,
                                   state_message *message)
{
    int length = snprintf(temporary, size, "%s.new-XXXXXX", path);
    if (length < 0 || (size_t)length >= size)
        return fail_errno(message, path, "create", ENAMETOOLONG);
    int descriptor = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (descriptor < 0)
        return fail_errno(message, path, "create", errno);
    file_header first = {.format = FILE_FORMAT, .machine_size = sizeof(machine_state), .generation = 1};
    memcpy(first.magic, file_magic, sizeof(first.magic));
    first.checksum = checksum(initial);
    bool written = write_all(descriptor, &first, sizeof(first), 0) &&
                   write_all(descriptor, initial, sizeof(*initial), machine_offset(0)) &&
                   write_all(descriptor, initial, sizeof(*initial), machine_offset(1));
    int error = errno;
    if (close(descriptor) != 0 && written) {
        written = false;
        error = errno;
    }
    if (written)
        return NVML_SUCCESS;
    unlink(temporary);
    return fail_errno(message, path, "write", error);
}

static nvmlReturn_t create_file(const char *path, const machine_state *initial, state_message *message)
{
    char temporary[PATH_MAX];
    nvmlReturn_t result = write_new_file(path, initial, temporary, sizeof(temporary), message);
    if (result != NVML_SUCCESS)
        return result;
    /* link() fails where another process was faster; then its file is as good as ours. */
    if (link(temporary, path) != 0 && errno != EEXIST)
        result = fail_errno(message, path, "create", errno);
    unlink(temporary);
    return result;
}

/* ---- opening and resetting --------------------------------------------------------------------------------------- */

/*
 * Opens and locks the file that `path` names, if it is ours; ENOENT in errno if there is none. A file that is not ours is
 * never locked, since its owner may hold a lock for as long as he likes; one that was replaced while we waited for the
 * lock is opened anew.
 */
static nvmlReturn_t open_and_lock(const char *path, int *opened, state_message *message)
{
    for (;;) {
        int descriptor = open(path, O_RDWR | O_CLOEXEC);
        if (descriptor < 0) {
            int error = errno;
            nvmlReturn_t result = error == ENOENT ? fail(NVML_ERROR_NOT_FOUND, message, "there is no state file %s", path)
                                                  : fail_errno(message, path, "open", error);
            errno = error;
            return result;
        }
        file_header found;
        struct stat status;
        struct stat named;
        nvmlReturn_t result = NVML_SUCCESS;
        if (fstat(descriptor, &status) != 0)
            result = fail_errno(message, path, "read", errno);
        else if (!S_ISREG(status.st_mode) || !is_ours(descriptor, &found))
            result = fail(NVML_ERROR_INVALID_STATE, message,
                          "%s is not a state file of the NVML stub; it was left untouched", path);
        else if (lock_file(descriptor, F_WRLCK) != NVML_SUCCESS)
            result = fail_errno(message, path, "lock", errno);
        if (result != NVML_SUCCESS) {
            close(descriptor);
            return result;
        }
        if (stat(path, &named) == 0 && named.st_dev == status.st_dev && named.st_ino == status.st_ino) {
            *opened = descriptor;
            return NVML_SUCCESS;
        }
        close(descriptor);
    }
}

static void state_close(void);

static bool has_same_gpus(const machine_state *a, const machine_state *b)
{
    if (a->gpu_count != b->gpu_count)
        return false;
    for (unsigned int g = 0; g < a->gpu_count; g++)
        if (!is_same_gpu(&a->gpus[g], &b->gpus[g]))
            return false;
    return true;
}

/* Opens the file and reads the machine in it, which must be `wanted` unless any will do. */
static nvmlReturn_t open_file(const machine_state *wanted, bool any_machine, const char *path, state_message *message)
{
    int descriptor;
    nvmlReturn_t result = open_and_lock(path, &descriptor, message);
    if (result == NVML_ERROR_NOT_FOUND) {
        result = create_file(path, wanted, message);
        if (result == NVML_SUCCESS)
            result = open_and_lock(path, &descriptor, message);
    }
    if (result != NVML_SUCCESS)
        return result;

    memset(&header, 0, sizeof(header));
    result = read_file(descriptor, path, message);
    if (result == NVML_SUCCESS && !any_machine && !has_same_gpus(machine, wanted)) {
        char held[256];
        char asked[256];
        describe_machine(machine, held, sizeof(held));
        describe_machine(wanted, asked, sizeof(asked));
        result = fail(NVML_ERROR_INVALID_STATE, message,
                      "the state file %s holds the machine %s, not %s; name another file, or reset this one", path, held,
                      asked);
    }
    if (result != NVML_SUCCESS) {
        close(descriptor);
        return result;
    }
    lock_file(descriptor, F_UNLCK);
    file = descriptor;
    opened_by = getpid();
    return NVML_SUCCESS;
}

nvmlReturn_t state_open(const char *gpus, const char *path, state_message *message)
{
    bool any_machine = gpus == NULL || gpus[0] == '\0';
    machine_state wanted;
    nvmlReturn_t result = parse_machine(any_machine ? default_machine : gpus, &wanted, message);
    if (result != NVML_SUCCESS)
        return result;

    pthread_mutex_lock(&mutex);
    state_close();
    if (path != NULL && path[0] != '\0') {
        result = open_file(&wanted, any_machine, path, message);
    } else {
        *machine = wanted;
        is_machine(machine, models); /* looks the models up; parse_machine has found each of them */
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

/* Also when the library is unloaded: the descriptor is ours alone. */
__attribute__((destructor)) static void state_close(void)
{
    if (file >= 0)
        close(file);
    file = -1;
}

/*
 * Makes a new machine the successor of a file's active one: with its GPUs if they shall be the same, and with its count of
 * events, so that whoever waits for events goes on waiting for later ones. False if the file holds no machine.
 */
static bool succeed_machine(int descriptor, const file_header *found, bool same_gpus, machine_state *renewed)
{
    machine_state held;
    const gpu_model *models_of[MAX_GPUS] = {NULL};
    if (pread(descriptor, &held, sizeof(held), machine_offset(found->active)) != (ssize_t)sizeof(held) ||
        !is_machine(&held, models_of))
        return false;
    renewed->event_count = held.event_count;
    if (!same_gpus)
        return true;
    memset(renewed->gpus, 0, sizeof(renewed->gpus));
    renewed->gpu_count = held.gpu_count;
    for (unsigned int g = 0; g < held.gpu_count; g++) {
        memcpy(renewed->gpus[g].model, held.gpus[g].model, MODEL_KEY_SIZE);
        renewed->gpus[g].swapped = held.gpus[g].swapped;
        renewed->gpus[g].in_vm = held.gpus[g].in_vm;
    }
    return true;
}

/* Puts a new file in the place of one that cannot be changed in place, with its access mode. */
static nvmlReturn_t replace_file(const char *path, const machine_state *initial, mode_t mode, state_message *message)
{
    char temporary[PATH_MAX];
    char *target = realpath(path, NULL); /* not in the place of a link to it */
    if (target == NULL)
        return fail_errno(message, path, "replace", errno);
    nvmlReturn_t result = write_new_file(target, initial, temporary, sizeof(temporary), message);
    if (result == NVML_SUCCESS && (chmod(temporary, mode & 07777) != 0 || rename(temporary, target) != 0)) {
        result = fail_errno(message, path, "replace", errno);
        unlink(temporary);
    }
    free(target);
    return result;
}

nvmlReturn_t state_reset(const char *gpus, const char *path, state_message *message)
{
    bool same_gpus = gpus == NULL || gpus[0] == '\0';
    machine_state initial;
    nvmlReturn_t result = parse_machine(same_gpus ? default_machine : gpus, &initial, message);
    if (result != NVML_SUCCESS)
        return result;
    int descriptor;
    result = open_and_lock(path, &descriptor, message);
    if (result != NVML_SUCCESS)
        return result;

    file_header found;
    struct stat status;
    if (!is_ours(descriptor, &found) || fstat(descriptor, &status) != 0) {
        result = fail_errno(message, path, "read", errno);
    } else if (found.format == FILE_FORMAT && found.machine_size == sizeof(machine_state) && found.active <= 1 &&
               status.st_size == machine_offset(2)) {
        if (!succeed_machine(descriptor, &found, same_gpus, &initial) && same_gpus)
            result = fail(NVML_ERROR_INVALID_STATE, message,
                          "the state file %s is damaged; say which GPUs the new machine shall have", path);
        else if (!write_change(descriptor, &initial, &found)) /* in place: those who use the file see the new machine */
            result = fail_errno(message, path, "write", errno);
    } else if (same_gpus) {
        result = fail(NVML_ERROR_INVALID_STATE, message,
                      "the state file %s is damaged or of another version; say which GPUs the new machine shall have",
                      path);
    } else {
        result = replace_file(path, &initial, status.st_mode, message);
    }
    close(descriptor);
    return result;
}

/* ---- locking and changing ---------------------------------------------------------------------------------------- */

/*
 * A forked child shares its parent's open file description, and with it the locks: neither would keep the other out. So a
 * child opens the file for itself.
 */
static nvmlReturn_t reopen_after_fork(void)
{
    if (opened_by == getpid())
        return NVML_SUCCESS;
    char name[32];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
    int own = open(name, O_RDWR | O_CLOEXEC);
    if (own < 0)
        return NVML_ERROR_OPERATING_SYSTEM;
    close(file);
    file = own;
    opened_by = getpid();
    return NVML_SUCCESS;
}

const gpu_model *state_model(unsigned int gpu)
{
    return models[gpu];
}

/* Most of a machine is room for GPUs that it does not have, and a change would take as long as the copy of that. */
static void begin_change(void)
{
    memcpy(change, machine, offsetof(machine_state, gpus) + machine->gpu_count * sizeof(gpu_state));
    change->gpu_count = machine->gpu_count;
}

nvmlReturn_t state_lock(state_access access, machine_state **locked)
{
    pthread_mutex_lock(&mutex);
    if (file >= 0) {
        nvmlReturn_t result = reopen_after_fork();
        if (result == NVML_SUCCESS)
            result = lock_file(file, F_WRLCK); /* for reads too: readers who share a lock keep a change waiting for ever */
        if (result == NVML_SUCCESS) {
            result = read_file(file, "", NULL);
            if (result != NVML_SUCCESS)
                lock_file(file, F_UNLCK);
        }
        if (result != NVML_SUCCESS) {
            pthread_mutex_unlock(&mutex);
            return result;
        }
    }
    if (access == STATE_CHANGE)
        begin_change();
    *locked = access == STATE_CHANGE ? change : machine;
    return NVML_SUCCESS;
}

nvmlReturn_t state_unlock(bool commit)
{
    nvmlReturn_t result = NVML_SUCCESS;
    if (commit) {
        if (file < 0 || write_change(file, change, &header)) {
            machine_state *before = machine;
            machine = change;
            change = before;
        } else {
            result = NVML_ERROR_OPERATING_SYSTEM;
        }
    }
    if (file >= 0)
        lock_file(file, F_UNLCK);
    pthread_mutex_unlock(&mutex);
    return result;
}

void state_record_event(unsigned int gpu, uint64_t type, uint64_t data, uint32_t gpu_instance,
                        uint32_t compute_instance)
{
    change->events[change->event_count++ % MAX_EVENTS] = (event_state){
        .type = type, .data = data, .gpu = gpu, .gpu_instance = gpu_instance, .compute_instance = compute_instance};
}

void state_record_mig_change(unsigned int gpu)
{
    /* What the driver puts beside the type is not known: no data, no instance in particular. */
    state_record_event(gpu, nvmlEventMigConfigChange, 0, UINT32_MAX, UINT32_MAX);
}

/* ---- one GPU's hardware ------------------------------------------------------------------------------------------ */

static pthread_mutex_t gpu_mutexes[MAX_GPUS];
static pthread_once_t gpu_mutexes_once = PTHREAD_ONCE_INIT;

static void make_gpu_mutexes(void)
{
    for (unsigned int gpu = 0; gpu < MAX_GPUS; gpu++)
        pthread_mutex_init(&gpu_mutexes[gpu], NULL);
}

/* What each GPU is locked through, under its mutex; -1: the machine is private to this process. */
static int gpu_files[MAX_GPUS];

/* One byte for each GPU, behind the end of the file: locks may lie there. */
static off_t gpu_offset(unsigned int gpu)
{
    return machine_offset(2) + (off_t)gpu;
}

/* A descriptor of its own, since the lock may be waited for and held while another thread closes the machine's. */
static int duplicate_file(void)
{
    pthread_mutex_lock(&mutex);
    int own = file >= 0 && reopen_after_fork() == NVML_SUCCESS ? fcntl(file, F_DUPFD_CLOEXEC, 0) : -1;
    pthread_mutex_unlock(&mutex);
    return own;
}

void state_lock_gpu(unsigned int gpu)
{
    pthread_once(&gpu_mutexes_once, make_gpu_mutexes);
    pthread_mutex_lock(&gpu_mutexes[gpu]);
    gpu_files[gpu] = duplicate_file();
    if (gpu_files[gpu] >= 0)
        lock_range(gpu_files[gpu], F_WRLCK, gpu_offset(gpu), 1);
}

void state_unlock_gpu(unsigned int gpu)
{
    if (gpu_files[gpu] >= 0) {
        lock_range(gpu_files[gpu], F_UNLCK, gpu_offset(gpu), 1);
        close(gpu_files[gpu]);
    }
    pthread_mutex_unlock(&gpu_mutexes[gpu]);
}

/* ---- privileges -------------------------------------------------------------------------------------------------- */

static _Atomic privileges allowed = PRIVILEGES_ALL;

nvmlReturn_t state_set_privileges(const char *text, state_message *message)
{
    if (text == NULL || text[0] == '\0' || strcmp(text, "all") == 0)
        allowed = PRIVILEGES_ALL;
    else if (strcmp(text, "monitor") == 0)
        allowed = PRIVILEGES_MONITOR;
    else if (strcmp(text, "none") == 0)
        allowed = PRIVILEGES_NONE;
    else
        return fail(NVML_ERROR_INVALID_ARGUMENT, message, "unknown privileges '%.64s'; there are: all, monitor, none", text);
    return NVML_SUCCESS;
}

privileges state_privileges(void)
{
    return allowed;
}

/* ---- what happens to a machine from outside ---------------------------------------------------------------------- */

void state_lose_gpu(unsigned int gpu)
{
    machine_state *changed;
    if (state_lock(STATE_CHANGE, &changed) != NVML_SUCCESS)
        return;
    bool exists = gpu < changed->gpu_count;
    if (exists)
        changed->gpus[gpu].lost = 1;
    state_unlock(exists);
}

/* As a caller's destroying does, each tells of itself. */
static void destroy_compute_instance(unsigned int gpu, compute_instance_state *instance)
{
    if (!instance->exists)
        return;
    *instance = (compute_instance_state){0};
    state_record_mig_change(gpu);
}

void state_destroy_instance(unsigned int gpu, unsigned int gpu_instance, int compute_instance)
{
    machine_state *changed;
    if (gpu_instance >= MAX_GPU_INSTANCE_IDS || compute_instance >= MAX_COMPUTE_INSTANCES ||
        state_lock(STATE_CHANGE, &changed) != NVML_SUCCESS)
        return;
    bool exists = gpu < changed->gpu_count && changed->gpus[gpu].instances[gpu_instance].exists;
    if (exists) {
        gpu_instance_state *instance = &changed->gpus[gpu].instances[gpu_instance];
        if (compute_instance >= 0) {
            destroy_compute_instance(gpu, &instance->compute[compute_instance]);
        } else {
            for (unsigned int id = 0; id < MAX_COMPUTE_INSTANCES; id++)
                destroy_compute_instance(gpu, &instance->compute[id]);
            *instance = (gpu_instance_state){0};
            state_record_mig_change(gpu);
        }
    }
    state_unlock(exists);
}
