#include "state_file.h"

#include "machine_check.h"
#include "machine_text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char file_magic[8] = {'N', 'V', 'M', 'L', 'S', 'T', 'U', 'B'};
enum { FILE_FORMAT = 9 };

_Static_assert(sizeof(gpu_state) % 8 == 0 || sizeof(gpu_state) * MAX_GPUS % 8 == 0, "the state file has no padding");

/* ---- reading and writing ----------------------------------------------------------------------------------------- */

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

nvmlReturn_t state_file_lock(int descriptor, short type)
{
    return lock_range(descriptor, type, 0, machine_offset(2));
}

/* Bytes behind the end of the file: locks may lie there. First a door, then all GPUs, then each. */
static off_t hardware_offset(unsigned int byte)
{
    return machine_offset(2) + (off_t)byte;
}

/* The kernel favours those who share a lock over one who waits to be alone; the door lets them in by turns. */
nvmlReturn_t state_file_lock_hardware(int descriptor, short type)
{
    if (type == F_UNLCK)
        return lock_range(descriptor, F_UNLCK, hardware_offset(1), 1);
    nvmlReturn_t result = lock_range(descriptor, F_WRLCK, hardware_offset(0), 1);
    if (result != NVML_SUCCESS)
        return result;
    result = lock_range(descriptor, type, hardware_offset(1), 1);
    lock_range(descriptor, F_UNLCK, hardware_offset(0), 1);
    return result;
}

nvmlReturn_t state_file_lock_gpu(int descriptor, short type, unsigned int gpu)
{
    return lock_range(descriptor, type, hardware_offset(2 + gpu), 1);
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

nvmlReturn_t state_file_read(int descriptor, const char *path, file_machine *current, message_buffer *message)
{
    file_header found;
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return message_fail_errno(message, path, "read", errno);
    if (!S_ISREG(status.st_mode) || !is_ours(descriptor, &found))
        return message_fail(NVML_ERROR_INVALID_STATE, message,
                    "%s is not a state file of the NVML stub; it was left untouched", path);
    if (found.format != FILE_FORMAT || found.machine_size != sizeof(machine_state))
        return message_fail(NVML_ERROR_INVALID_STATE, message,
                    "the state file %s was written by another version of the NVML stub; it was left untouched "
                    "(reset it, or name another file)", path);
    if (status.st_nlink == 0) /* deleted, or replaced by a reset: whoever opens the path now gets another machine */
        return message_fail(NVML_ERROR_INVALID_STATE, message, "the state file %s was deleted", path);
    if (status.st_size != machine_offset(2))
        return message_fail(NVML_ERROR_INVALID_STATE, message,
                            "the state file %s is damaged; it was left untouched (reset it, or name another file)", path);
    if (found.generation == current->header.generation && found.checksum == current->header.checksum &&
        current->header.generation != 0)
        return NVML_SUCCESS;

    machine_state read;
    const gpu_model *read_models[MAX_GPUS] = {NULL};
    if (found.active > 1 ||
        pread(descriptor, &read, sizeof(read), machine_offset(found.active)) != (ssize_t)sizeof(read) ||
        checksum(&read) != found.checksum || !machine_is_possible(&read, read_models))
        return message_fail(NVML_ERROR_INVALID_STATE, message,
                            "the state file %s is damaged; it was left untouched (reset it, or name another file)", path);
    *current->machine = read;
    memcpy(current->models, read_models, sizeof(read_models));
    current->header = found;
    return NVML_SUCCESS;
}

bool state_file_write(int descriptor, const machine_state *next, file_header *current)
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
                                   message_buffer *message)
{
    int length = snprintf(temporary, size, "%s.new-XXXXXX", path);
    if (length < 0 || (size_t)length >= size)
        return message_fail_errno(message, path, "create", ENAMETOOLONG);
    int descriptor = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (descriptor < 0)
        return message_fail_errno(message, path, "create", errno);
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
    return message_fail_errno(message, path, "write", error);
}

nvmlReturn_t state_file_create(const char *path, const machine_state *initial, message_buffer *message)
{
    char temporary[PATH_MAX];
    nvmlReturn_t result = write_new_file(path, initial, temporary, sizeof(temporary), message);
    if (result != NVML_SUCCESS)
        return result;
    /* link() fails where another process was faster; then its file is as good as ours. */
    if (link(temporary, path) != 0 && errno != EEXIST)
        result = message_fail_errno(message, path, "create", errno);
    unlink(temporary);
    return result;
}

/* ---- opening and resetting --------------------------------------------------------------------------------------- */

nvmlReturn_t state_file_open(const char *path, int *opened, message_buffer *message)
{
    for (;;) {
        int descriptor = open(path, O_RDWR | O_CLOEXEC);
        if (descriptor < 0) {
            int error = errno;
            nvmlReturn_t result = error == ENOENT ? message_fail(NVML_ERROR_NOT_FOUND, message, "there is no state file %s", path)
                                                  : message_fail_errno(message, path, "open", error);
            errno = error;
            return result;
        }
        file_header found;
        struct stat status;
        struct stat named;
        nvmlReturn_t result = NVML_SUCCESS;
        if (fstat(descriptor, &status) != 0)
            result = message_fail_errno(message, path, "read", errno);
        else if (!S_ISREG(status.st_mode) || !is_ours(descriptor, &found))
            result = message_fail(NVML_ERROR_INVALID_STATE, message,
                          "%s is not a state file of the NVML stub; it was left untouched", path);
        else if (state_file_lock(descriptor, F_WRLCK) != NVML_SUCCESS)
            result = message_fail_errno(message, path, "lock", errno);
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

/*
 * Makes a new machine the successor of a file's active one: with its GPUs if they shall be the same, and with its count of
 * events, so that whoever waits for events goes on waiting for later ones. False if the file holds no machine.
 */
static bool succeed_machine(int descriptor, const file_header *found, bool same_gpus, machine_state *renewed)
{
    machine_state held;
    const gpu_model *models_of[MAX_GPUS] = {NULL};
    if (pread(descriptor, &held, sizeof(held), machine_offset(found->active)) != (ssize_t)sizeof(held) ||
        !machine_is_possible(&held, models_of))
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
static nvmlReturn_t replace_file(const char *path, const machine_state *initial, mode_t mode, message_buffer *message)
{
    char temporary[PATH_MAX];
    char *target = realpath(path, NULL); /* not in the place of a link to it */
    if (target == NULL)
        return message_fail_errno(message, path, "replace", errno);
    nvmlReturn_t result = write_new_file(target, initial, temporary, sizeof(temporary), message);
    if (result == NVML_SUCCESS && (chmod(temporary, mode & 07777) != 0 || rename(temporary, target) != 0)) {
        result = message_fail_errno(message, path, "replace", errno);
        unlink(temporary);
    }
    free(target);
    return result;
}

nvmlReturn_t state_file_reset(const char *gpus, const char *path, message_buffer *message)
{
    bool same_gpus = gpus == NULL || gpus[0] == '\0';
    machine_state initial;
    nvmlReturn_t result = machine_parse(gpus, &initial, message);
    if (result != NVML_SUCCESS)
        return result;
    int descriptor;
    result = state_file_open(path, &descriptor, message);
    if (result != NVML_SUCCESS)
        return result;

    file_header found;
    struct stat status;
    if (!is_ours(descriptor, &found) || fstat(descriptor, &status) != 0) {
        result = message_fail_errno(message, path, "read", errno);
    } else if (found.format == FILE_FORMAT && found.machine_size == sizeof(machine_state) && found.active <= 1 &&
               status.st_size == machine_offset(2)) {
        if (!succeed_machine(descriptor, &found, same_gpus, &initial) && same_gpus)
            result = message_fail(NVML_ERROR_INVALID_STATE, message,
                          "the state file %s is damaged; say which GPUs the new machine shall have", path);
        else if (!state_file_write(descriptor, &initial, &found)) /* in place: those who use the file see the new machine */
            result = message_fail_errno(message, path, "write", errno);
    } else if (same_gpus) {
        result = message_fail(NVML_ERROR_INVALID_STATE, message,
                      "the state file %s is damaged or of another version; say which GPUs the new machine shall have",
                      path);
    } else {
        result = replace_file(path, &initial, status.st_mode, message);
    }
    close(descriptor);
    return result;
}
