/*
 * Calls every function that nvml_abi.h declares, in any order, with anything: NULLs, handles that are valid, stale, of
 * another kind or no handles at all, right and wrong struct versions, ids out of range, short buffers.
 *
 *   fuzz SEED CALLS THREADS [MACHINE...]   CALLS in all; MACHINE as in NVML_STUB_GPUS, each gets its turn
 *   fuzz --covers HEADER                   fails if HEADER declares a function that the table below lacks
 *
 * With one thread a run repeats exactly, and a model of the machine is kept beside: only a call that succeeds may
 * change the machine, and only in the way that it says. With more threads every answer is checked by itself, and the
 * machine whenever the threads rest. Buffers are as long as the call may write and not a byte longer, so that the
 * address sanitizer sees the first byte beyond.
 */
#include "nvml_stub.h"

#include "random.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_GPUS = 8,
    MOST_THREADS = 64,
    GPU_INSTANCE_IDS = 32,    /* more than the driver has: nothing may stand at the ids beyond */
    COMPUTE_INSTANCE_IDS = 16,
    PROFILE_IDS = 256,
    COMPUTE_PROFILE_IDS = 16,
    PROFILE_NUMBERS = 64,     /* where to stop counting, should INVALID_ARGUMENT never come */
    KNOWN_OFFERS = 256,
    UNKNOWN_LENGTH = 64,      /* of a list for a profile that the machine lacks */
    KNOWN_HANDLES = 16,
    KNOWN_UUIDS = 16,
    UUID_SIZE = NVML_DEVICE_UUID_V2_BUFFER_SIZE,
    BLOCKS = 6,               /* pointer arguments of one call */
    RESULTS = NVML_ERROR_RESET_TYPE_NOT_SUPPORTED + 1, /* to count; the one other is a failure */
    REMEMBERED = 24,          /* calls that a failure prints */
    CALLS_PER_ROUND = 4000,
    SECONDS_PER_ROUND = 300   /* longer means that somebody waits for ever */
};

/* ---- the machine and what it may hold ---------------------------------------------------------------------------- */

/* A profile, and a place where its instances can stand, on some GPU. */
typedef struct {
    unsigned int profile;
    unsigned int start;
    unsigned int size;
} offer;

/* The profiles of a round's machine. Read once; the threads then only read it. */
typedef struct {
    const char *gpus;
    const char *path;      /* of a state file that holds this machine */
    bool in_file;          /* the round begins with the machine in that file */
    unsigned int gpu_count;
    nvmlDevice_t handles[MOST_GPUS];
    bool has_mig[MOST_GPUS];
    char uuids[MOST_GPUS][UUID_SIZE];
    char serials[MOST_GPUS][NVML_DEVICE_SERIAL_BUFFER_SIZE];
    nvmlPciInfo_t pci[MOST_GPUS];

    offer offers[KNOWN_OFFERS]; /* of GPU instances */
    unsigned int offer_count;
    offer compute_offers[KNOWN_OFFERS];
    unsigned int compute_offer_count;

    unsigned int limit[MOST_GPUS][PROFILE_IDS]; /* instanceCount */
    unsigned int compute_limit[MOST_GPUS][PROFILE_IDS][COMPUTE_PROFILE_IDS];
    unsigned int longest[PROFILE_IDS]; /* list of instances, on whichever GPU; 0: no such profile */
    unsigned int longest_places[PROFILE_IDS];
    unsigned int longest_compute[COMPUTE_PROFILE_IDS];
    unsigned int longest_compute_places[COMPUTE_PROFILE_IDS];
} machine;

typedef struct {
    unsigned int exists;
    unsigned int profile;
    unsigned int start;
    unsigned int size;
} instance;

/* The content of a machine, as far as calls show it. */
typedef struct {
    unsigned int mode;
    unsigned int pending;
    instance at[GPU_INSTANCE_IDS];
    instance compute[GPU_INSTANCE_IDS][COMPUTE_INSTANCE_IDS];
} gpu_layout;

typedef struct {
    gpu_layout gpus[MOST_GPUS];
} layout;

typedef struct {
    int gpu; /* -1: nowhere */
    unsigned int id;
    unsigned int compute_id;
} position;

/* ---- one thread of calls ----------------------------------------------------------------------------------------- */

typedef enum { NO_HANDLE, DEVICE, GPU_INSTANCE, COMPUTE_INSTANCE } handle_kind;

typedef enum {
    READS,
    READS_ALWAYS, /* without initialisation too */
    OPENS,
    CLOSES,
    CONFIGURES,
    SETS_MODE,
    CREATES_GPU_INSTANCE,
    DESTROYS_GPU_INSTANCE,
    CREATES_COMPUTE_INSTANCE,
    DESTROYS_COMPUTE_INSTANCE,
    EFFECTS
} effect;

typedef struct fuzzer fuzzer;

/* Handles that calls returned. Some of them are stale by now. */
typedef struct {
    void *values[KNOWN_HANDLES];
    unsigned int count;
} handles;

/* Everything that a call could want, drawn before each call and in one order: so a seed means the same in any build. */
typedef struct {
    fuzzer *by;
    nvmlDevice_t device;
    nvmlGpuInstance_t gpu_instance;
    nvmlComputeInstance_t compute_instance;
    bool wrong[COMPUTE_INSTANCE + 1]; /* by kind: surely no handle of that kind */
    unsigned int number; /* of a profile */
    unsigned int engine;
    unsigned int id; /* of a profile */
    unsigned int compute_profile;
    unsigned int index; /* of a device, or an instance's id */
    unsigned int mode;
    unsigned int flags;
    nvmlGpuInstancePlacement_t place;
    nvmlComputeInstancePlacement_t compute_place;
    nvmlReturn_t code;
    unsigned int length;
    char *uuid;
    char *serial;
    char *bus_id;
    const char *gpus;
    const char *path;
    bool refused; /* no machine can come of these two */
    unsigned int version;
    unsigned int other_version;
    unsigned int nulls; /* which pointer arguments are NULL, as a bit set */
    int fill;

    void *blocks[BLOCKS];
    char *text; /* what the call was given to write to */
    nvmlDevice_t *device_out;
    nvmlGpuInstance_t *gpu_instance_out;
    nvmlComputeInstance_t *compute_instance_out;
    void *list;
    unsigned int list_length;
    unsigned int *count;
} arguments;

typedef struct {
    const char *name;
    nvmlReturn_t (*call)(arguments *a);
    effect effect;
    handle_kind subject;
} function;

struct fuzzer {
    uint64_t random;
    const machine *machine;
    bool alone; /* the only thread: a model is kept */
    unsigned long long calls;
    unsigned long long done[EFFECTS]; /* calls that succeeded */
    unsigned long long results[RESULTS];
    bool closed;  /* the last call found NVML uninitialised */
    bool closing; /* shutting down until it is */

    handles known[COMPUTE_INSTANCE + 1]; /* by kind; devices: MIG devices and GPUs */
    char uuids[KNOWN_UUIDS][UUID_SIZE];

    /* for a thread that is alone */
    unsigned int depth; /* initialisations */
    bool broken;        /* the last configuration failed */
    bool following;     /* the model is the machine */
    layout model;
    unsigned int until_check;
    struct {
        const char *name;
        nvmlReturn_t result;
    } recent[REMEMBERED];
};

static uint64_t seed;
static unsigned int thread_count;
static char folder[512]; /* where the state files are */

__attribute__((format(printf, 4, 5), noreturn))
static void fail(const fuzzer *f, const function *called, const arguments *a, const char *format, ...)
{
    flockfile(stdout);
    printf("FAILED: ");
    va_list values;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    printf("\n  seed %" PRIu64 ", %u threads, call %llu of this thread, machine %s%s, state files in %s\n", seed,
           thread_count, f->calls, f->machine == NULL ? "?" : f->machine->gpus,
           f->machine != NULL && f->machine->in_file ? " in a file" : "", folder);
    if (called != NULL)
        printf("  in %s\n", called->name);
    if (a != NULL)
        printf("  device %p, GPU instance %p, compute instance %p, number %u, engine %u, id %u, compute profile %u, "
               "index %u, mode %u, place %u:%u, compute place %u:%u, length %u, version %08x, NULLs %x\n",
               (void *)a->device, (void *)a->gpu_instance, (void *)a->compute_instance, a->number, a->engine, a->id,
               a->compute_profile, a->index, a->mode, a->place.start, a->place.size, a->compute_place.start,
               a->compute_place.size, a->length, a->version, a->nulls);
    if (f->alone)
        for (unsigned long long i = f->calls < REMEMBERED ? 0 : f->calls - REMEMBERED; i < f->calls; i++)
            printf("  call %llu: %s: %d\n", i + 1, f->recent[i % REMEMBERED].name, f->recent[i % REMEMBERED].result);
    fflush(stdout);
    _exit(1);
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static bool one_in(fuzzer *f, unsigned int n)
{
    return random_below(&f->random, n) == 0;
}

static void *known_handle(fuzzer *f, handle_kind kind)
{
    const handles *known = &f->known[kind];
    if (kind == DEVICE && !one_in(f, 4))
        return f->machine->handles[random_below(&f->random, f->machine->gpu_count)];
    return known->count == 0 ? NULL : known->values[random_below(&f->random, known->count)];
}

static void learn_handle(fuzzer *f, handle_kind kind, void *handle)
{
    handles *known = &f->known[kind];
    if (known->count < KNOWN_HANDLES)
        known->values[known->count++] = handle;
    else
        known->values[random_below(&f->random, KNOWN_HANDLES)] = handle;
}

/* Mostly a handle of that kind that once was good; `wrong` if it surely is none. */
static void *any_handle(fuzzer *f, handle_kind kind, bool *wrong)
{
    void *handle = known_handle(f, kind);
    *wrong = true;
    switch (random_below(&f->random, 32)) {
    case 0:
        handle = NULL;
        break;
    case 1:
        handle = (void *)(uintptr_t)random_next(&f->random);
        break;
    case 2:
        handle = (void *)(uintptr_t)random_below(&f->random, 4096);
        break;
    case 3:
        handle = f; /* memory that can be read, but says something else */
        break;
    case 4:
    case 5:
        handle = known_handle(f, kind == DEVICE || (kind == GPU_INSTANCE && one_in(f, 2)) ? COMPUTE_INSTANCE
                                 : kind == GPU_INSTANCE                                    ? DEVICE
                                                                                           : GPU_INSTANCE);
        break;
    case 6: /* beside a good one: perhaps another good one */
        handle = (void *)((uintptr_t)handle + random_below(&f->random, 129) - 64);
        *wrong = false;
        break;
    default:
        *wrong = handle == NULL;
    }
    return handle;
}

/* Mostly small, at times anything. */
static unsigned int any_number(fuzzer *f, unsigned int usual)
{
    unsigned int number = random_below(&f->random, usual);
    switch (random_below(&f->random, 32)) {
    case 0:
        return (unsigned int)random_next(&f->random);
    case 1:
        return UINT32_MAX - number;
    case 2:
        return usual + number;
    default:
        return number;
    }
}

/* Mostly one of the machine's own, at times with something changed that makes it no offer, or another. */
static offer any_offer(fuzzer *f, const offer *offers, unsigned int count)
{
    offer chosen = {any_number(f, 64), any_number(f, 14), any_number(f, 14)};
    if (count == 0 || one_in(f, 16))
        return chosen;
    offer known = offers[random_below(&f->random, count)];
    switch (random_below(&f->random, 16)) {
    case 0:
        known.profile = chosen.profile;
        break;
    case 1:
        known.start = chosen.start;
        break;
    case 2:
        known.size = chosen.size;
        break;
    default:
        break;
    }
    return known;
}

/* A copy of exactly its length, at times with a letter changed, cut off, or added to. */
static char *any_text(fuzzer *f, const char *like)
{
    char text[4096];
    size_t length = strnlen(like, sizeof(text) - 2);
    memcpy(text, like, length + 1);
    if (length > 0 && one_in(f, 4)) {
        size_t at = random_below(&f->random, (unsigned int)length);
        switch (random_below(&f->random, 4)) {
        case 0:
            text[at] = (char)random_next(&f->random);
            break;
        case 1:
            text[at] = '\0';
            break;
        case 2:
            memcpy(text + length, ".", 2);
            break;
        default:
            memset(text, "0:%n"[random_below(&f->random, 4)], sizeof(text) - 1);
            text[sizeof(text) - 1] = '\0';
        }
    }
    return strdup(text);
}

static char *any_uuid(fuzzer *f)
{
    if (one_in(f, 2))
        return any_text(f, f->uuids[random_below(&f->random, KNOWN_UUIDS)]);
    return any_text(f, f->machine->uuids[random_below(&f->random, f->machine->gpu_count)]);
}

static char *any_bus_id(fuzzer *f)
{
    static const char *const odd[] = {"", ":", "zz", "0:0", "0:0:0:0", "FFFFFFFF:FF:FF.F", "-1:-1:-1.-1", "%s%n%s"};
    const nvmlPciInfo_t *pci = &f->machine->pci[random_below(&f->random, f->machine->gpu_count)];
    unsigned int kind = random_below(&f->random, 8);
    return any_text(f, kind == 0                       ? odd[random_below(&f->random, sizeof(odd) / sizeof(odd[0]))]
                       : kind < 3                      ? pci->busIdLegacy
                       : kind < 5 && pci->domain == 0  ? strchr(pci->busId, ':') + 1
                                                       : pci->busId);
}

static char foreign_path[sizeof(folder) + 16];
static char short_path[sizeof(folder) + 16];
static char missing_path[sizeof(folder) + 16];

/* A machine and a file for the controls: the round's own, or what must be refused. */
static void draw_configuration(fuzzer *f, arguments *a)
{
    static const char *const refused[] = {"no such GPU", "*", ",", "A100-SXM4-40GB*0", "A100-SXM4-40GB*1000",
                                          "\xFF\xFF", "%s%n%s"};
    a->gpus = f->machine->gpus;
    a->path = one_in(f, 2) ? f->machine->path : NULL;
    a->refused = true;
    switch (random_below(&f->random, 8)) {
    case 0:
        a->gpus = refused[random_below(&f->random, sizeof(refused) / sizeof(refused[0]))];
        break;
    case 1:
        a->path = foreign_path;
        break;
    case 2: /* with GPUs given, a reset may make it whole */
        a->gpus = NULL;
        a->path = short_path;
        break;
    case 3:
        a->path = missing_path;
        break;
    case 4: /* what the file holds, which is the round's machine too */
        a->gpus = one_in(f, 2) ? NULL : "";
        a->path = f->machine->path;
        a->refused = false;
        break;
    default:
        a->refused = false;
    }
}

static void draw(fuzzer *f, arguments *a)
{
    const machine *m = f->machine;
    memset(a, 0, sizeof(*a));
    a->by = f;
    a->device = any_handle(f, DEVICE, &a->wrong[DEVICE]);
    a->gpu_instance = any_handle(f, GPU_INSTANCE, &a->wrong[GPU_INSTANCE]);
    a->compute_instance = any_handle(f, COMPUTE_INSTANCE, &a->wrong[COMPUTE_INSTANCE]);
    a->number = any_number(f, 20);
    a->engine = one_in(f, 8) ? any_number(f, 3) : NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED;
    a->index = any_number(f, 16);
    a->mode = one_in(f, 8) ? any_number(f, 3) : random_below(&f->random, 8) != 0;
    a->flags = any_number(f, 8);
    offer wanted = any_offer(f, m->offers, m->offer_count);
    a->id = wanted.profile;
    a->place = (nvmlGpuInstancePlacement_t){wanted.start, wanted.size};
    wanted = any_offer(f, m->compute_offers, m->compute_offer_count);
    a->compute_profile = wanted.profile;
    a->compute_place = (nvmlComputeInstancePlacement_t){wanted.start, wanted.size};
    a->code = one_in(f, 4) ? (nvmlReturn_t)random_next(&f->random) : (nvmlReturn_t)random_below(&f->random, 40);
    a->length = one_in(f, 2) ? random_below(&f->random, 48) : 80 + random_below(&f->random, 32);
    a->uuid = any_uuid(f);
    a->serial = any_text(f, m->serials[random_below(&f->random, m->gpu_count)]);
    a->bus_id = any_bus_id(f);
    draw_configuration(f, a);
    a->version = random_below(&f->random, 16);
    a->other_version = (unsigned int)random_next(&f->random);
    if (one_in(f, 12))
        a->nulls = 1u << random_below(&f->random, BLOCKS);
    a->fill = (int)random_below(&f->random, 256);
}

static void release(arguments *a)
{
    free(a->uuid);
    free(a->serial);
    free(a->bus_id);
    for (unsigned int i = 0; i < BLOCKS; i++)
        free(a->blocks[i]);
}

/* The pointer argument `slot` of a call: room for `size` bytes and no more, or NULL if that was drawn. */
static void *block(arguments *a, unsigned int slot, size_t size)
{
    if ((a->nulls >> slot & 1) != 0)
        return NULL;
    a->blocks[slot] = malloc(size == 0 ? 1 : size);
    if (a->blocks[slot] == NULL)
        abort();
    memset(a->blocks[slot], a->fill, size);
    return a->blocks[slot];
}

#define OUT(slot, type) ((type *)block(a, slot, sizeof(type)))
#define IN(slot, pointer) ((a->nulls >> (slot)&1) != 0 ? NULL : (pointer))

static char *text_out(arguments *a, unsigned int slot)
{
    return a->text = block(a, slot, a->length);
}

static nvmlDevice_t *device_out(arguments *a, unsigned int slot)
{
    return a->device_out = OUT(slot, nvmlDevice_t);
}

static nvmlGpuInstance_t *gpu_instance_out(arguments *a, unsigned int slot)
{
    return a->gpu_instance_out = OUT(slot, nvmlGpuInstance_t);
}

static nvmlComputeInstance_t *compute_instance_out(arguments *a, unsigned int slot)
{
    return a->compute_instance_out = OUT(slot, nvmlComputeInstance_t);
}

/* The count that comes with a list, or without one. Its value before the call means nothing. */
static unsigned int *count_out(arguments *a, unsigned int slot)
{
    return a->count = OUT(slot, unsigned int);
}

/* As long as the machine's longest for that profile: the driver takes no notice of the length that a caller gives. */
static void *list_out(arguments *a, unsigned int slot, const unsigned int *longest, unsigned int profiles,
                      unsigned int profile, size_t size)
{
    unsigned int length = profile < profiles ? longest[profile] : 0;
    a->list_length = length == 0 ? UNKNOWN_LENGTH : length;
    return a->list = block(a, slot, a->list_length * size);
}

#define LIST(slot, longest, profile, type)                                                                             \
    ((type *)list_out(a, slot, a->by->machine->longest, sizeof(a->by->machine->longest) / sizeof(unsigned int),        \
                      profile, sizeof(type)))

/* A struct that says its version: right and as long as that, or wrong and no longer than the version itself. */
static void *versioned_out(arguments *a, unsigned int slot, unsigned int v2, unsigned int v3)
{
    const unsigned int wrong[] = {
        0, v2 ^ 1u << 24, v3 ^ 1u << 24, v2 & 0xFFFFFF, v3 & 0xFFFFFF, v2 + 1, a->other_version,
    };
    unsigned int kinds = sizeof(wrong) / sizeof(wrong[0]);
    unsigned int version = a->version < kinds ? wrong[a->version] : a->version < 12 ? v2 : v3;
    bool right = version == v2 || version == v3;
    unsigned int *made = block(a, slot, right ? version & 0xFFFFFF : sizeof(version));
    if (made != NULL)
        *made = version;
    return made;
}

#define VERSIONED(slot, v2, v3)                                                                                        \
    ((v2 *)versioned_out(a, slot, NVML_STRUCT_VERSION(v2, 2), NVML_STRUCT_VERSION(v3, 3)))

/* One whose struct has no other version. */
#define VERSIONED_ONCE(slot, type, version)                                                                            \
    ((type *)versioned_out(a, slot, NVML_STRUCT_VERSION(type, version), NVML_STRUCT_VERSION(type, version)))

/* A struct whose version is a plain 1, or something else. */
static void *version_one_out(arguments *a, unsigned int slot, size_t size)
{
    unsigned int *made = block(a, slot, size);
    if (made != NULL)
        *made = a->version < 12 ? 1 : a->other_version;
    return made;
}

#define VERSION_ONE(slot, type) ((type *)version_one_out(a, slot, sizeof(type)))

enum { FIELDS = 3 };

static nvmlFieldValue_t *fields_out(arguments *a, unsigned int slot)
{
    static const unsigned int answered[] = {
        NVML_FI_DEV_ECC_CURRENT, NVML_FI_DEV_ECC_SBE_VOL_TOTAL, NVML_FI_DEV_REMAPPED_COR,
        NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED, NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE,
    };
    nvmlFieldValue_t *fields = block(a, slot, FIELDS * sizeof(*fields));
    for (unsigned int i = 0; fields != NULL && i < FIELDS; i++)
        fields[i].fieldId = i == 0 ? answered[a->version % (sizeof(answered) / sizeof(answered[0]))] : a->number * i * 7;
    return fields;
}

/* The first initialisation must bring GPUs, or the round would be over: without them nothing can be called. */
static unsigned int flags_of(const arguments *a)
{
    return a->by->alone && a->by->depth > 0 ? a->flags : a->flags & ~(unsigned int)NVML_INIT_FLAG_NO_ATTACH;
}

enum { PROCESSES = 16 }; /* more than a GPU can have, whatever count comes with the list */

/* ---- functions --------------------------------------------------------------------------------------------------- */

/* X(function, what it does when it succeeds, what its first argument must be, its arguments) */
#define FUNCTIONS(X)                                                                                                   \
    X(nvmlInit, OPENS, NO_HANDLE, ())                                                                                  \
    X(nvmlInit_v2, OPENS, NO_HANDLE, ())                                                                               \
    X(nvmlInitWithFlags, OPENS, NO_HANDLE, (flags_of(a)))                                                              \
    X(nvmlShutdown, CLOSES, NO_HANDLE, ())                                                                             \
    X(nvmlInternalGetExportTable, READS_ALWAYS, NO_HANDLE, (OUT(0, const void *), block(a, 1, 16)))                    \
    X(nvmlSystemGetDriverVersion, READS, NO_HANDLE, (text_out(a, 0), a->length))                                       \
    X(nvmlSystemGetNVMLVersion, READS_ALWAYS, NO_HANDLE, (text_out(a, 0), a->length))                                         \
    X(nvmlSystemGetCudaDriverVersion_v2, READS, NO_HANDLE, (OUT(0, int)))                                              \
    X(nvmlSystemGetDriverBranch, READS, NO_HANDLE,                                                                     \
      (VERSIONED_ONCE(0, nvmlSystemDriverBranchInfo_t, 1), a->length))                                                 \
    X(nvmlDeviceGetCount_v2, READS, NO_HANDLE, (OUT(0, unsigned int)))                                                 \
    X(nvmlDeviceGetHandleByIndex_v2, READS, NO_HANDLE, (a->index, device_out(a, 0)))                                   \
    X(nvmlDeviceGetHandleByUUID, READS, NO_HANDLE, (IN(0, a->uuid), device_out(a, 1)))                                 \
    X(nvmlDeviceGetHandleByPciBusId_v2, READS, NO_HANDLE, (IN(0, a->bus_id), device_out(a, 1)))                        \
    X(nvmlDeviceGetHandleBySerial, READS, NO_HANDLE, (IN(0, a->serial), device_out(a, 1)))                             \
    X(nvmlDeviceGetName, READS, DEVICE, (a->device, text_out(a, 0), a->length))                                        \
    X(nvmlDeviceGetUUID, READS, DEVICE, (a->device, text_out(a, 0), a->length))                                        \
    X(nvmlDeviceGetIndex, READS, DEVICE, (a->device, OUT(0, unsigned int)))                                            \
    X(nvmlDeviceGetPciInfo_v3, READS, DEVICE, (a->device, OUT(0, nvmlPciInfo_t)))                                      \
    X(nvmlDeviceGetPciInfo_v2, READS, DEVICE, (a->device, block(a, 0, offsetof(nvmlPciInfo_t, busId))))                \
    X(nvmlDeviceGetPciInfo, READS, DEVICE, (a->device, block(a, 0, offsetof(nvmlPciInfo_t, pciSubSystemId))))          \
    X(nvmlDeviceGetSerial, READS, DEVICE, (a->device, text_out(a, 0), a->length))                                      \
    X(nvmlDeviceGetVbiosVersion, READS, DEVICE, (a->device, text_out(a, 0), a->length))                                \
    X(nvmlDeviceGetBrand, READS, DEVICE, (a->device, OUT(0, nvmlBrandType_t)))                                         \
    X(nvmlDeviceGetPersistenceMode, READS, DEVICE, (a->device, OUT(0, nvmlEnableState_t)))                             \
    X(nvmlDeviceSetPersistenceMode, READS, DEVICE, (a->device, (nvmlEnableState_t)a->mode))                            \
    X(nvmlDeviceSetComputeMode, READS, DEVICE, (a->device, (nvmlComputeMode_t)a->mode))                                \
    X(nvmlDeviceGetPciInfoExt, READS, DEVICE, (a->device, VERSIONED_ONCE(0, nvmlPciInfoExt_v1_t, 1)))                  \
    X(nvmlDeviceGetPdi, READS, DEVICE, (a->device, VERSIONED_ONCE(0, nvmlPdi_v1_t, 1)))                                \
    X(nvmlDeviceGetAddressingMode, READS, DEVICE, (a->device, VERSIONED_ONCE(0, nvmlDeviceAddressingMode_v1_t, 1)))    \
    X(nvmlDeviceGetDisplayActive, READS, DEVICE, (a->device, OUT(0, nvmlEnableState_t)))                               \
    X(nvmlDeviceGetEccMode, READS, DEVICE, (a->device, OUT(0, nvmlEnableState_t), OUT(1, nvmlEnableState_t)))          \
    X(nvmlDeviceGetPerformanceState, READS, DEVICE, (a->device, OUT(0, nvmlPstates_t)))                                \
    X(nvmlDeviceGetPowerManagementLimit, READS, DEVICE, (a->device, OUT(0, unsigned int)))                             \
    X(nvmlDeviceGetTopologyCommonAncestor, READS, DEVICE, (a->device, a->device, OUT(0, nvmlGpuTopologyLevel_t)))      \
    X(nvmlDeviceGetComputeMode, READS, DEVICE, (a->device, OUT(0, nvmlComputeMode_t)))                                 \
    X(nvmlDeviceGetVirtualizationMode, READS, DEVICE, (a->device, OUT(0, nvmlGpuVirtualizationMode_t)))                \
    X(nvmlDeviceGetGpuFabricInfo, READS, DEVICE, (a->device, OUT(0, nvmlGpuFabricInfo_t)))                             \
    X(nvmlDeviceSetMigMode, SETS_MODE, DEVICE, (a->device, a->mode, OUT(0, nvmlReturn_t)))                             \
    X(nvmlDeviceGetMigMode, READS, DEVICE, (a->device, OUT(0, unsigned int), OUT(1, unsigned int)))                    \
    X(nvmlDeviceGetGpuInstanceProfileInfo, READS, DEVICE,                                                              \
      (a->device, a->number, OUT(0, nvmlGpuInstanceProfileInfo_t)))                                                    \
    X(nvmlDeviceGetGpuInstanceProfileInfoV, READS, DEVICE,                                                             \
      (a->device, a->number, VERSIONED(0, nvmlGpuInstanceProfileInfo_v2_t, nvmlGpuInstanceProfileInfo_v3_t)))          \
    X(nvmlDeviceGetGpuInstanceProfileInfoByIdV, READS, DEVICE,                                                         \
      (a->device, a->id, VERSIONED(0, nvmlGpuInstanceProfileInfo_v2_t, nvmlGpuInstanceProfileInfo_v3_t)))              \
    X(nvmlDeviceGetGpuInstancePossiblePlacements_v2, READS, DEVICE,                                                    \
      (a->device, a->id, LIST(0, longest_places, a->id, nvmlGpuInstancePlacement_t), count_out(a, 1)))                 \
    X(nvmlDeviceGetGpuInstanceRemainingCapacity, READS, DEVICE, (a->device, a->id, OUT(0, unsigned int)))              \
    X(nvmlDeviceCreateGpuInstance, CREATES_GPU_INSTANCE, DEVICE, (a->device, a->id, gpu_instance_out(a, 0)))           \
    X(nvmlDeviceCreateGpuInstanceWithPlacement, CREATES_GPU_INSTANCE, DEVICE,                                          \
      (a->device, a->id, IN(0, &a->place), gpu_instance_out(a, 1)))                                                    \
    X(nvmlGpuInstanceDestroy, DESTROYS_GPU_INSTANCE, GPU_INSTANCE, (a->gpu_instance))                                  \
    X(nvmlDeviceGetGpuInstances, READS, DEVICE,                                                                        \
      (a->device, a->id, LIST(0, longest, a->id, nvmlGpuInstance_t), count_out(a, 1)))                                 \
    X(nvmlDeviceGetGpuInstanceById, READS, DEVICE, (a->device, a->index, gpu_instance_out(a, 0)))                      \
    X(nvmlGpuInstanceGetInfo, READS, GPU_INSTANCE, (a->gpu_instance, OUT(0, nvmlGpuInstanceInfo_t)))                   \
    X(nvmlGpuInstanceGetComputeInstanceProfileInfo, READS, GPU_INSTANCE,                                               \
      (a->gpu_instance, a->number, a->engine, OUT(0, nvmlComputeInstanceProfileInfo_t)))                               \
    X(nvmlGpuInstanceGetComputeInstanceProfileInfoV, READS, GPU_INSTANCE,                                              \
      (a->gpu_instance, a->number, a->engine,                                                                          \
       VERSIONED(0, nvmlComputeInstanceProfileInfo_v2_t, nvmlComputeInstanceProfileInfo_v3_t)))                        \
    X(nvmlGpuInstanceGetComputeInstancePossiblePlacements, READS, GPU_INSTANCE,                                        \
      (a->gpu_instance, a->compute_profile,                                                                            \
       LIST(0, longest_compute_places, a->compute_profile, nvmlComputeInstancePlacement_t), count_out(a, 1)))          \
    X(nvmlGpuInstanceGetComputeInstanceRemainingCapacity, READS, GPU_INSTANCE,                                         \
      (a->gpu_instance, a->compute_profile, OUT(0, unsigned int)))                                                     \
    X(nvmlGpuInstanceCreateComputeInstance, CREATES_COMPUTE_INSTANCE, GPU_INSTANCE,                                    \
      (a->gpu_instance, a->compute_profile, compute_instance_out(a, 0)))                                               \
    X(nvmlGpuInstanceCreateComputeInstanceWithPlacement, CREATES_COMPUTE_INSTANCE, GPU_INSTANCE,                       \
      (a->gpu_instance, a->compute_profile, IN(0, &a->compute_place), compute_instance_out(a, 1)))                     \
    X(nvmlComputeInstanceDestroy, DESTROYS_COMPUTE_INSTANCE, COMPUTE_INSTANCE, (a->compute_instance))                  \
    X(nvmlGpuInstanceGetComputeInstances, READS, GPU_INSTANCE,                                                         \
      (a->gpu_instance, a->compute_profile, LIST(0, longest_compute, a->compute_profile, nvmlComputeInstance_t),       \
       count_out(a, 1)))                                                                                               \
    X(nvmlGpuInstanceGetComputeInstanceById, READS, GPU_INSTANCE,                                                      \
      (a->gpu_instance, a->index, compute_instance_out(a, 0)))                                                         \
    X(nvmlComputeInstanceGetInfo_v2, READS, COMPUTE_INSTANCE,                                                          \
      (a->compute_instance, OUT(0, nvmlComputeInstanceInfo_t)))                                                        \
    X(nvmlDeviceIsMigDeviceHandle, READS, DEVICE, (a->device, OUT(0, unsigned int)))                                   \
    X(nvmlDeviceGetGpuInstanceId, READS, DEVICE, (a->device, OUT(0, unsigned int)))                                    \
    X(nvmlDeviceGetComputeInstanceId, READS, DEVICE, (a->device, OUT(0, unsigned int)))                                \
    X(nvmlDeviceGetMaxMigDeviceCount, READS, DEVICE, (a->device, OUT(0, unsigned int)))                                \
    X(nvmlDeviceGetMigDeviceHandleByIndex, READS, DEVICE, (a->device, a->index, device_out(a, 0)))                     \
    X(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, READS, DEVICE, (a->device, device_out(a, 0)))                      \
    X(nvmlDeviceGetMinorNumber, READS, DEVICE, (a->device, OUT(0, unsigned int)))                                      \
    X(nvmlDeviceGetArchitecture, READS, DEVICE, (a->device, OUT(0, unsigned int)))                                     \
    X(nvmlDeviceGetCudaComputeCapability, READS, DEVICE, (a->device, OUT(0, int), OUT(1, int)))                        \
    X(nvmlDeviceGetCpuAffinity, READS, DEVICE, (a->device, 3, block(a, 0, 3 * sizeof(unsigned long))))                 \
    X(nvmlDeviceGetMemoryInfo, READS, DEVICE, (a->device, OUT(0, nvmlMemory_t)))                                       \
    X(nvmlDeviceGetMemoryInfo_v2, READS, DEVICE, (a->device, VERSIONED(0, nvmlMemory_v2_t, nvmlMemory_v2_t)))          \
    X(nvmlDeviceGetBAR1MemoryInfo, READS, DEVICE, (a->device, OUT(0, nvmlBAR1Memory_t)))                               \
    X(nvmlDeviceGetAttributes, READS, DEVICE, (a->device, OUT(0, nvmlDeviceAttributes_t)))                             \
    X(nvmlDeviceGetAttributes_v2, READS, DEVICE, (a->device, OUT(0, nvmlDeviceAttributes_t)))                          \
    X(nvmlDeviceGetFieldValues, READS, DEVICE, (a->device, FIELDS, fields_out(a, 0)))                                  \
    X(nvmlDeviceGetUtilizationRates, READS, DEVICE, (a->device, OUT(0, nvmlUtilization_t)))                            \
    X(nvmlDeviceGetTemperature, READS, DEVICE,                                                                         \
      (a->device, a->mode == 0 ? (nvmlTemperatureSensors_t)a->index : NVML_TEMPERATURE_GPU, OUT(0, unsigned int)))     \
    X(nvmlDeviceGetPowerUsage, READS, DEVICE, (a->device, OUT(0, unsigned int)))                                       \
    X(nvmlDeviceGetEnforcedPowerLimit, READS, DEVICE, (a->device, OUT(0, unsigned int)))                               \
    X(nvmlDeviceGetTotalEccErrors, READS, DEVICE,                                                                      \
      (a->device, (nvmlMemoryErrorType_t)a->flags, (nvmlEccCounterType_t)a->mode, OUT(0, unsigned long long)))         \
    X(nvmlDeviceGetMemoryErrorCounter, READS, DEVICE,                                                                  \
      (a->device, (nvmlMemoryErrorType_t)a->flags, (nvmlEccCounterType_t)a->mode, (nvmlMemoryLocation_t)a->number,     \
       OUT(0, unsigned long long)))                                                                                    \
    X(nvmlDeviceGetRemappedRows, READS, DEVICE,                                                                        \
      (a->device, OUT(0, unsigned int), OUT(1, unsigned int), OUT(2, unsigned int), OUT(3, unsigned int)))             \
    X(nvmlSystemGetProcessName, READS, NO_HANDLE, (a->index, text_out(a, 0), a->length))                               \
    X(nvmlSystemGetCudaDriverVersion, READS, NO_HANDLE, (OUT(0, int)))                                                 \
    X(nvmlDeviceGetCount, READS, NO_HANDLE, (OUT(0, unsigned int)))                                                    \
    X(nvmlDeviceGetHandleByIndex, READS, NO_HANDLE, (a->index, device_out(a, 0)))                                      \
    X(nvmlDeviceGetHandleByPciBusId, READS, NO_HANDLE, (IN(0, a->bus_id), device_out(a, 1)))                           \
    X(nvmlDeviceGetGpuInstancePossiblePlacements, READS, DEVICE,                                                       \
      (a->device, a->id, LIST(0, longest_places, a->id, nvmlGpuInstancePlacement_t), count_out(a, 1)))                 \
    X(nvmlComputeInstanceGetInfo, READS, COMPUTE_INSTANCE, (a->compute_instance, OUT(0, nvmlComputeInstanceInfo_t)))   \
    X(nvmlDeviceGetComputeRunningProcesses, READS, DEVICE,                                                             \
      (a->device, OUT(0, unsigned int), block(a, 1, PROCESSES * sizeof(nvmlProcessInfo_v1_t))))                        \
    X(nvmlDeviceGetComputeRunningProcesses_v2, READS, DEVICE,                                                          \
      (a->device, OUT(0, unsigned int), block(a, 1, PROCESSES * sizeof(nvmlProcessInfo_t))))                           \
    X(nvmlDeviceGetComputeRunningProcesses_v3, READS, DEVICE,                                                          \
      (a->device, OUT(0, unsigned int), block(a, 1, PROCESSES * sizeof(nvmlProcessInfo_t))))                           \
    X(nvmlDeviceGetGraphicsRunningProcesses, READS, DEVICE,                                                            \
      (a->device, OUT(0, unsigned int), block(a, 1, PROCESSES * sizeof(nvmlProcessInfo_v1_t))))                        \
    X(nvmlDeviceGetGraphicsRunningProcesses_v2, READS, DEVICE,                                                         \
      (a->device, OUT(0, unsigned int), block(a, 1, PROCESSES * sizeof(nvmlProcessInfo_t))))                           \
    X(nvmlDeviceGetGraphicsRunningProcesses_v3, READS, DEVICE,                                                         \
      (a->device, OUT(0, unsigned int), block(a, 1, PROCESSES * sizeof(nvmlProcessInfo_t))))                           \
    X(nvmlDeviceGetMPSComputeRunningProcesses, READS, DEVICE,                                                          \
      (a->device, OUT(0, unsigned int), block(a, 1, PROCESSES * sizeof(nvmlProcessInfo_v1_t))))                        \
    X(nvmlDeviceGetMPSComputeRunningProcesses_v2, READS, DEVICE,                                                       \
      (a->device, OUT(0, unsigned int), block(a, 1, PROCESSES * sizeof(nvmlProcessInfo_t))))                           \
    X(nvmlDeviceGetMPSComputeRunningProcesses_v3, READS, DEVICE,                                                       \
      (a->device, OUT(0, unsigned int), block(a, 1, PROCESSES * sizeof(nvmlProcessInfo_t))))                           \
    X(nvmlDeviceGetSupportedEventTypes, READS, DEVICE, (a->device, OUT(0, unsigned long long)))                        \
    X(nvmlGpmQueryDeviceSupport, READS, DEVICE, (a->device, VERSION_ONE(0, nvmlGpmSupport_t)))                         \
    X(nvmlStubConfigure, CONFIGURES, NO_HANDLE,                                                                        \
      (a->gpus, a->path, a->index == 0 ? "999" : a->index == 1 ? "580" : NULL, text_out(a, 0), a->length))             \
    X(nvmlStubReset, CONFIGURES, NO_HANDLE, (a->gpus, a->path, text_out(a, 0), a->length))

#define DEFINE_CALL(name, effect, subject, list)                                                                       \
    static nvmlReturn_t call_##name(arguments *a)                                                                      \
    {                                                                                                                  \
        (void)a;                                                                                                       \
        return name list;                                                                                              \
    }
FUNCTIONS(DEFINE_CALL)

/* Functions that return something else. */

static nvmlReturn_t call_nvmlErrorString(arguments *a)
{
    const char *text = nvmlErrorString(a->code);
    if (text == NULL || text[0] == '\0')
        fail(a->by, NULL, a, "nvmlErrorString(%d) says nothing", (int)a->code);
    return NVML_SUCCESS;
}

static nvmlReturn_t call_nvmlStubGetCallCount(arguments *a)
{
    (void)nvmlStubGetCallCount(IN(0, a->uuid));
    return NVML_SUCCESS;
}

static nvmlReturn_t call_nvmlStubGetAbi(arguments *a)
{
    if (nvmlStubGetAbi(OUT(0, unsigned int)) == NULL)
        fail(a->by, NULL, a, "nvmlStubGetAbi returns nothing");
    return NVML_SUCCESS;
}

/* Those on objects of the library's own, which come and go within a call here; or on what is no such object. */

static nvmlReturn_t call_nvmlEventSetCreate(arguments *a)
{
    nvmlEventSet_t *set = OUT(0, nvmlEventSet_t);
    nvmlReturn_t result = nvmlEventSetCreate(set);
    if (result == NVML_SUCCESS)
        nvmlEventSetFree(*set);
    return result;
}

static nvmlReturn_t call_nvmlEventSetFree(arguments *a)
{
    return nvmlEventSetFree((nvmlEventSet_t)(void *)a->gpu_instance);
}

static nvmlReturn_t call_nvmlDeviceRegisterEvents(arguments *a)
{
    nvmlEventSet_t set;
    nvmlReturn_t result = nvmlEventSetCreate(&set);
    if (result != NVML_SUCCESS)
        return result;
    result = nvmlDeviceRegisterEvents(a->device, a->version < 12 ? nvmlEventMigConfigChange : a->other_version,
                                      a->index == 0 ? (nvmlEventSet_t)(void *)a->gpu_instance : set);
    nvmlEventSetFree(set);
    return result;
}

static nvmlReturn_t wait_for_event(arguments *a, nvmlReturn_t (*wait)(nvmlEventSet_t, nvmlEventData_t *, unsigned int),
                                   size_t size)
{
    nvmlEventSet_t set;
    nvmlReturn_t result = nvmlEventSetCreate(&set);
    if (result != NVML_SUCCESS)
        return result;
    nvmlDeviceRegisterEvents(a->device, nvmlEventMigConfigChange, set);
    result = wait(a->index == 0 ? (nvmlEventSet_t)(void *)a->gpu_instance : set, block(a, 0, size), 0);
    nvmlEventSetFree(set);
    return result;
}

static nvmlReturn_t call_nvmlEventSetWait_v2(arguments *a)
{
    return wait_for_event(a, nvmlEventSetWait_v2, sizeof(nvmlEventData_t));
}

static nvmlReturn_t call_nvmlEventSetWait(arguments *a)
{
    return wait_for_event(a, nvmlEventSetWait, offsetof(nvmlEventData_t, gpuInstanceId));
}

static nvmlReturn_t call_nvmlGpmSampleAlloc(arguments *a)
{
    nvmlGpmSample_t *sample = OUT(0, nvmlGpmSample_t);
    nvmlReturn_t result = nvmlGpmSampleAlloc(sample);
    if (result == NVML_SUCCESS)
        nvmlGpmSampleFree(*sample);
    return result;
}

static nvmlReturn_t call_nvmlGpmSampleFree(arguments *a)
{
    return nvmlGpmSampleFree((nvmlGpmSample_t)(void *)a->gpu_instance);
}

static nvmlReturn_t call_nvmlGpmSampleGet(arguments *a)
{
    nvmlGpmSample_t sample = (nvmlGpmSample_t)(void *)a->gpu_instance;
    bool own = a->index != 0 && nvmlGpmSampleAlloc(&sample) == NVML_SUCCESS;
    nvmlReturn_t result = nvmlGpmSampleGet(a->device, sample);
    if (own)
        nvmlGpmSampleFree(sample);
    return result;
}

static nvmlReturn_t call_nvmlGpmMigSampleGet(arguments *a)
{
    nvmlGpmSample_t sample = (nvmlGpmSample_t)(void *)a->gpu_instance;
    bool own = a->index != 0 && nvmlGpmSampleAlloc(&sample) == NVML_SUCCESS;
    nvmlReturn_t result = nvmlGpmMigSampleGet(a->device, a->number, sample);
    if (own)
        nvmlGpmSampleFree(sample);
    return result;
}

static nvmlReturn_t call_nvmlGpmMetricsGet(arguments *a)
{
    nvmlGpmMetricsGet_t *get = VERSION_ONE(0, nvmlGpmMetricsGet_t);
    nvmlGpmSample_t samples[2] = {NULL, NULL};
    for (unsigned int i = 0; i < 2; i++)
        if (nvmlGpmSampleAlloc(&samples[i]) == NVML_SUCCESS && a->index != i)
            nvmlGpmSampleGet(a->device, samples[i]);
    if (get != NULL) {
        get->numMetrics = a->mode == 0 ? a->other_version : a->number;
        get->sample1 = samples[0];
        get->sample2 = samples[a->index == 2 ? 0 : 1];
        for (unsigned int i = 0; i < NVML_GPM_METRIC_MAX; i++)
            get->metrics[i].metricId = a->number + i;
    }
    nvmlReturn_t result = nvmlGpmMetricsGet(get);
    for (unsigned int i = 0; i < 2; i++)
        nvmlGpmSampleFree(samples[i]);
    return result;
}

#define DEFINE_ROW(name, effect, subject, list) {#name, call_##name, effect, subject},
static const function functions[] = {
    FUNCTIONS(DEFINE_ROW)
    {"nvmlErrorString", call_nvmlErrorString, READS_ALWAYS, NO_HANDLE},
    {"nvmlStubGetCallCount", call_nvmlStubGetCallCount, READS_ALWAYS, NO_HANDLE},
    {"nvmlStubGetAbi", call_nvmlStubGetAbi, READS_ALWAYS, NO_HANDLE},
    {"nvmlEventSetCreate", call_nvmlEventSetCreate, READS, NO_HANDLE},
    {"nvmlEventSetFree", call_nvmlEventSetFree, READS, NO_HANDLE},
    {"nvmlEventSetWait_v2", call_nvmlEventSetWait_v2, READS, NO_HANDLE},
    {"nvmlEventSetWait", call_nvmlEventSetWait, READS, NO_HANDLE},
    {"nvmlDeviceRegisterEvents", call_nvmlDeviceRegisterEvents, READS, DEVICE},
    {"nvmlGpmSampleAlloc", call_nvmlGpmSampleAlloc, READS, NO_HANDLE},
    {"nvmlGpmSampleFree", call_nvmlGpmSampleFree, READS, NO_HANDLE},
    {"nvmlGpmSampleGet", call_nvmlGpmSampleGet, READS, DEVICE},
    {"nvmlGpmMigSampleGet", call_nvmlGpmMigSampleGet, READS, DEVICE},
    {"nvmlGpmMetricsGet", call_nvmlGpmMetricsGet, READS, NO_HANDLE},
};
enum { FUNCTION_COUNT = sizeof(functions) / sizeof(functions[0]) };

static const function *any_function(fuzzer *f, effect first, effect last)
{
    const function *chosen;
    do
        chosen = &functions[random_below(&f->random, FUNCTION_COUNT)];
    while (chosen->effect < first || chosen->effect > last);
    return chosen;
}

/* Mostly what needs a session, a third of it changes. Sessions end seldom, and then stay ended for a while. */
static const function *choose_function(fuzzer *f)
{
    if (f->closing)
        return any_function(f, CLOSES, CLOSES);
    unsigned int kind = random_below(&f->random, 512);
    if (f->closed && kind < 64)
        return any_function(f, OPENS, OPENS);
    if (f->closed && kind < 96)
        return any_function(f, CONFIGURES, CONFIGURES);
    if (kind < 2) {
        f->closing = true;
        return any_function(f, CLOSES, CLOSES);
    }
    if (kind < 8)
        return any_function(f, OPENS, CLOSES);
    if (kind < 9)
        return any_function(f, CONFIGURES, CONFIGURES);
    if (kind < 176)
        return any_function(f, SETS_MODE, EFFECTS);
    return any_function(f, READS, READS_ALWAYS);
}

/* ---- what must hold of any call ---------------------------------------------------------------------------------- */

static bool is_known(nvmlReturn_t result)
{
    switch (result) {
#define KNOWN_CODE(name, value, text) case name:
        NVML_RETURN_CODES(KNOWN_CODE)
#undef KNOWN_CODE
        return true;
    }
    return false;
}

static void check_answer(const fuzzer *f, const function *called, const arguments *a, nvmlReturn_t result)
{
    if (!is_known(result))
        fail(f, called, a, "unknown return code %d", (int)result);
    if (result == NVML_ERROR_UNKNOWN || (result == NVML_ERROR_OPERATING_SYSTEM && called->effect != CONFIGURES))
        fail(f, called, a, "%s where nothing was the matter with the system", nvmlErrorString(result));
    if (result == NVML_SUCCESS && a->wrong[called->subject])
        fail(f, called, a, "accepted what is no handle of its kind");
    if (result == NVML_SUCCESS && called->effect == CONFIGURES && a->refused)
        fail(f, called, a, "made a machine of '%s' in %s",
             a->gpus == NULL ? "" : a->gpus, a->path == NULL ? "this process" : a->path);
    if (result == NVML_SUCCESS && a->list != NULL && a->count != NULL && *a->count > a->list_length)
        fail(f, called, a, "wrote %u entries, at most %u should exist", *a->count, a->list_length);
    if (result == NVML_SUCCESS && a->text != NULL && called->effect == READS &&
        memchr(a->text, '\0', a->length) == NULL)
        fail(f, called, a, "text without an end");
}

/* Handles and UUIDs that a call returned serve later ones, and go stale there. */
static void learn(fuzzer *f, const arguments *a)
{
    if (a->device_out != NULL)
        learn_handle(f, DEVICE, *a->device_out);
    if (a->gpu_instance_out != NULL)
        learn_handle(f, GPU_INSTANCE, *a->gpu_instance_out);
    if (a->compute_instance_out != NULL)
        learn_handle(f, COMPUTE_INSTANCE, *a->compute_instance_out);
    if (a->text != NULL && strncmp(a->text, "MIG-", 4) == 0)
        memcpy(f->uuids[random_below(&f->random, KNOWN_UUIDS)], a->text, strnlen(a->text, UUID_SIZE - 1) + 1);
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

/* For calls beside the random ones, on what surely exists. */
static void expect(const fuzzer *f, nvmlReturn_t result, nvmlReturn_t expected, const char *what)
{
    if (result != expected)
        fail(f, NULL, NULL, "%s: %s (%d) instead of %d", what, nvmlErrorString(result), (int)result, (int)expected);
}

#define EXPECT_SUCCESS(f, call) expect(f, call, NVML_SUCCESS, #call)

static int gpu_of(const machine *m, nvmlDevice_t device)
{
    for (unsigned int g = 0; g < m->gpu_count; g++)
        if (m->handles[g] == device)
            return (int)g;
    return -1;
}

static position position_of_gpu_instance(const fuzzer *f, nvmlGpuInstance_t handle)
{
    position at = {-1, 0, 0};
    nvmlGpuInstanceInfo_t info;
    if (nvmlGpuInstanceGetInfo(handle, &info) == NVML_SUCCESS) {
        at.gpu = gpu_of(f->machine, info.device);
        at.id = info.id;
        if (at.gpu < 0 || at.id >= GPU_INSTANCE_IDS)
            fail(f, NULL, NULL, "GPU instance %u of device %p", info.id, (void *)info.device);
    }
    return at;
}

static position position_of_compute_instance(const fuzzer *f, nvmlComputeInstance_t handle)
{
    position at = {-1, 0, 0};
    nvmlComputeInstanceInfo_t info;
    if (nvmlComputeInstanceGetInfo_v2(handle, &info) == NVML_SUCCESS) {
        at = position_of_gpu_instance(f, info.gpuInstance);
        at.compute_id = info.id;
        if (at.gpu < 0 || at.compute_id >= COMPUTE_INSTANCE_IDS)
            fail(f, NULL, NULL, "compute instance %u in GPU instance %p", info.id, (void *)info.gpuInstance);
    }
    return at;
}

static void read_gpu(const fuzzer *f, nvmlDevice_t device, gpu_layout *into)
{
    EXPECT_SUCCESS(f, nvmlDeviceGetMigMode(device, &into->mode, &into->pending));
    for (unsigned int id = 0; id < GPU_INSTANCE_IDS; id++) {
        nvmlGpuInstance_t handle;
        nvmlReturn_t result = nvmlDeviceGetGpuInstanceById(device, id, &handle);
        if (result == NVML_ERROR_NOT_FOUND)
            continue;
        expect(f, result, NVML_SUCCESS, "nvmlDeviceGetGpuInstanceById");
        nvmlGpuInstanceInfo_t info;
        EXPECT_SUCCESS(f, nvmlGpuInstanceGetInfo(handle, &info));
        if (info.device != device || info.id != id)
            fail(f, NULL, NULL, "GPU instance %u says that it is %u of device %p", id, info.id, (void *)info.device);
        into->at[id] = (instance){1, info.profileId, info.placement.start, info.placement.size};
        for (unsigned int ci = 0; ci < COMPUTE_INSTANCE_IDS; ci++) {
            nvmlComputeInstance_t compute;
            result = nvmlGpuInstanceGetComputeInstanceById(handle, ci, &compute);
            if (result == NVML_ERROR_NOT_FOUND)
                continue;
            expect(f, result, NVML_SUCCESS, "nvmlGpuInstanceGetComputeInstanceById");
            nvmlComputeInstanceInfo_t held;
            EXPECT_SUCCESS(f, nvmlComputeInstanceGetInfo_v2(compute, &held));
            if (held.gpuInstance != handle || held.id != ci)
                fail(f, NULL, NULL, "compute instance %u of %u says that it is %u", ci, id, held.id);
            into->compute[id][ci] = (instance){1, held.profileId, held.placement.start, held.placement.size};
        }
    }
}

static void read_layout(const fuzzer *f, layout *into)
{
    memset(into, 0, sizeof(*into));
    for (unsigned int g = 0; g < f->machine->gpu_count; g++)
        if (f->machine->has_mig[g])
            read_gpu(f, f->machine->handles[g], &into->gpus[g]);
}

/* Whether no two stand on the same slices, and no profile has more than `limits` says. */
static void check_instances(const fuzzer *f, const instance *all, unsigned int count, const unsigned int *limits,
                            unsigned int profiles, const char *kind)
{
    uint64_t occupied = 0;
    unsigned int existing[PROFILE_IDS] = {0};
    for (unsigned int id = 0; id < count; id++) {
        const instance *one = &all[id];
        if (one->exists == 0)
            continue;
        if (one->size == 0 || one->size > 32 || one->start > 31 || one->profile >= profiles)
            fail(f, NULL, NULL, "%s instance %u of profile %u at %u:%u", kind, id, one->profile, one->start, one->size);
        uint64_t slices = ((UINT64_C(1) << one->size) - 1) << one->start;
        if ((occupied & slices) != 0)
            fail(f, NULL, NULL, "%s instance %u at %u:%u overlaps another", kind, id, one->start, one->size);
        occupied |= slices;
        if (++existing[one->profile] > limits[one->profile])
            fail(f, NULL, NULL, "%u %s instances of profile %u, which allows %u", existing[one->profile], kind,
                 one->profile, limits[one->profile]);
    }
}

static void check_layout(const fuzzer *f, const layout *of)
{
    for (unsigned int g = 0; g < f->machine->gpu_count; g++) {
        const gpu_layout *gpu = &of->gpus[g];
        check_instances(f, gpu->at, GPU_INSTANCE_IDS, f->machine->limit[g], PROFILE_IDS, "GPU");
        for (unsigned int id = 0; id < GPU_INSTANCE_IDS; id++) {
            if (gpu->at[id].exists == 0)
                continue;
            if (gpu->mode == NVML_DEVICE_MIG_DISABLE)
                fail(f, NULL, NULL, "GPU %u has instance %u, but its MIG mode is off", g, id);
            check_instances(f, gpu->compute[id], COMPUTE_INSTANCE_IDS,
                            f->machine->compute_limit[g][gpu->at[id].profile], COMPUTE_PROFILE_IDS, "compute");
        }
    }
}

static void compare_instances(const fuzzer *f, const instance *expected, const instance *found, const char *where)
{
    if (memcmp(expected, found, sizeof(*expected)) != 0)
        fail(f, NULL, NULL, "%s: expected %u (profile %u at %u:%u), found %u (profile %u at %u:%u)", where,
             expected->exists, expected->profile, expected->start, expected->size, found->exists, found->profile,
             found->start, found->size);
}

/* The machine must be as the calls that succeeded left it. */
static void check_model(fuzzer *f)
{
    layout found;
    read_layout(f, &found);
    check_layout(f, &found);
    for (unsigned int g = 0; f->following && g < f->machine->gpu_count; g++) {
        const gpu_layout *was = &f->model.gpus[g];
        const gpu_layout *is = &found.gpus[g];
        if (memcmp(was, is, sizeof(*was)) == 0)
            continue;
        if (was->mode != is->mode || was->pending != is->pending)
            fail(f, NULL, NULL, "MIG mode of GPU %u: expected %u (%u), found %u (%u)", g, was->mode, was->pending,
                 is->mode, is->pending);
        for (unsigned int id = 0; id < GPU_INSTANCE_IDS; id++) {
            char where[64];
            snprintf(where, sizeof(where), "instance %u of GPU %u", id, g);
            compare_instances(f, &was->at[id], &is->at[id], where);
            for (unsigned int ci = 0; ci < COMPUTE_INSTANCE_IDS; ci++) {
                snprintf(where, sizeof(where), "instance %u/%u of GPU %u", id, ci, g);
                compare_instances(f, &was->compute[id][ci], &is->compute[id][ci], where);
            }
        }
    }
    f->model = found;
    f->following = true;
}

/* Tells the model what a successful call changed; `before` is what the call's handle stood for. */
static void follow_change(fuzzer *f, const function *called, const arguments *a, position before)
{
    if (called->effect == SETS_MODE) {
        int g = gpu_of(f->machine, a->device);
        if (g < 0)
            fail(f, called, a, "set the mode of what is no GPU of the machine");
        gpu_layout *gpu = &f->model.gpus[g];
        EXPECT_SUCCESS(f, nvmlDeviceGetMigMode(a->device, &gpu->mode, &gpu->pending));
    } else if (called->effect == CREATES_GPU_INSTANCE) {
        nvmlGpuInstanceInfo_t info;
        EXPECT_SUCCESS(f, nvmlGpuInstanceGetInfo(*a->gpu_instance_out, &info));
        position at = position_of_gpu_instance(f, *a->gpu_instance_out);
        if (info.device != a->device || info.profileId != a->id)
            fail(f, called, a, "created an instance of profile %u on %p", info.profileId, (void *)info.device);
        if (strstr(called->name, "WithPlacement") != NULL &&
            (info.placement.start != a->place.start || info.placement.size != a->place.size))
            fail(f, called, a, "created at %u:%u", info.placement.start, info.placement.size);
        instance *created = &f->model.gpus[at.gpu].at[at.id];
        if (created->exists != 0)
            fail(f, called, a, "created GPU instance %u, which there was already", at.id);
        *created = (instance){1, info.profileId, info.placement.start, info.placement.size};
    } else if (called->effect == CREATES_COMPUTE_INSTANCE) {
        nvmlComputeInstanceInfo_t info;
        EXPECT_SUCCESS(f, nvmlComputeInstanceGetInfo_v2(*a->compute_instance_out, &info));
        position at = position_of_compute_instance(f, *a->compute_instance_out);
        if (info.gpuInstance != a->gpu_instance || info.profileId != a->compute_profile)
            fail(f, called, a, "created one of profile %u in %p", info.profileId, (void *)info.gpuInstance);
        if (strstr(called->name, "WithPlacement") != NULL &&
            (info.placement.start != a->compute_place.start || info.placement.size != a->compute_place.size))
            fail(f, called, a, "created at %u:%u", info.placement.start, info.placement.size);
        instance *created = &f->model.gpus[at.gpu].compute[at.id][at.compute_id];
        if (created->exists != 0)
            fail(f, called, a, "created compute instance %u/%u, which there was already", at.id, at.compute_id);
        *created = (instance){1, info.profileId, info.placement.start, info.placement.size};
    } else if (before.gpu < 0) {
        fail(f, called, a, "destroyed what was not there");
    } else if (called->effect == DESTROYS_COMPUTE_INSTANCE) {
        f->model.gpus[before.gpu].compute[before.id][before.compute_id] = (instance){0, 0, 0, 0};
    } else {
        gpu_layout *gpu = &f->model.gpus[before.gpu];
        gpu->at[before.id] = (instance){0, 0, 0, 0};
        for (unsigned int ci = 0; ci < COMPUTE_INSTANCE_IDS; ci++)
            if (gpu->compute[before.id][ci].exists != 0)
                fail(f, called, a, "destroyed GPU instance %u with compute instance %u in it", before.id, ci);
    }
}

static void follow(fuzzer *f, const function *called, const arguments *a, nvmlReturn_t result, position before)
{
    bool success = result == NVML_SUCCESS;
    switch (called->effect) {
    case OPENS:
        if (success == f->broken)
            fail(f, called, a, "%s to initialise %s configuration", success ? "succeeded" : "failed",
                 f->broken ? "after a failed" : "with a good");
        f->depth += success;
        break;
    case CLOSES:
        expect(f, result, f->depth > 0 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED, "nvmlShutdown");
        f->depth -= success;
        break;
    case CONFIGURES:
        if (strcmp(called->name, "nvmlStubConfigure") == 0) {
            if (f->depth > 0)
                expect(f, result, NVML_ERROR_IN_USE, "nvmlStubConfigure while initialised");
            else
                f->broken = !success;
        }
        if (success)
            f->following = false; /* another machine, or a new one */
        break;
    case READS_ALWAYS:
        break;
    default:
        if (f->depth == 0)
            expect(f, result, NVML_ERROR_UNINITIALIZED, called->name);
        else if (result == NVML_ERROR_UNINITIALIZED)
            fail(f, called, a, "uninitialised, but %u initialisations are open", f->depth);
        if (success && called->effect != READS)
            follow_change(f, called, a, before);
        else if (!success && called->effect != READS && one_in(f, f->machine->in_file ? 128 : 4))
            f->until_check = 1;
    }
}

static void step(fuzzer *f)
{
    if (f->alone && f->depth > 0 && (!f->following || --f->until_check == 0)) {
        f->until_check = f->machine->in_file ? 512 : 32;
        check_model(f);
    }
    const function *called = choose_function(f);
    arguments a;
    draw(f, &a);
    position before = {-1, 0, 0};
    if (f->alone && f->depth > 0 && called->effect == DESTROYS_GPU_INSTANCE)
        before = position_of_gpu_instance(f, a.gpu_instance);
    else if (f->alone && f->depth > 0 && called->effect == DESTROYS_COMPUTE_INSTANCE)
        before = position_of_compute_instance(f, a.compute_instance);

    nvmlReturn_t result = called->call(&a);
    f->recent[f->calls % REMEMBERED].name = called->name;
    f->recent[f->calls % REMEMBERED].result = result;
    f->calls++;
    if (result == NVML_ERROR_UNINITIALIZED)
        f->closed = true;
    else if (called->effect != READS_ALWAYS && called->effect != CLOSES && called->effect != CONFIGURES)
        f->closed = false;
    f->closing = f->closing && !f->closed;
    check_answer(f, called, &a, result);
    if (f->alone)
        follow(f, called, &a, result, before);
    f->results[result]++;
    if (result == NVML_SUCCESS) {
        f->done[called->effect]++;
        learn(f, &a);
    }
    release(&a);
}

/* ---- rounds ------------------------------------------------------------------------------------------------------ */

static void raise_to(unsigned int *most, unsigned int value)
{
    if (value > *most)
        *most = value;
}

/* The profiles of a GPU instance; it exists for this only. */
static void read_compute_offers(const fuzzer *f, machine *m, unsigned int gpu, unsigned int profile,
                                nvmlGpuInstance_t handle)
{
    for (unsigned int number = 0; number < PROFILE_NUMBERS; number++) {
        nvmlComputeInstanceProfileInfo_t info;
        nvmlReturn_t result = nvmlGpuInstanceGetComputeInstanceProfileInfo(
            handle, number, NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, &info);
        if (result == NVML_ERROR_INVALID_ARGUMENT)
            return;
        if (result == NVML_ERROR_NOT_SUPPORTED)
            continue;
        expect(f, result, NVML_SUCCESS, "nvmlGpuInstanceGetComputeInstanceProfileInfo");
        nvmlComputeInstancePlacement_t places[KNOWN_OFFERS];
        unsigned int count;
        EXPECT_SUCCESS(f, nvmlGpuInstanceGetComputeInstancePossiblePlacements(handle, info.id, NULL, &count));
        if (info.id >= COMPUTE_PROFILE_IDS || count > KNOWN_OFFERS)
            fail(f, NULL, NULL, "compute profile %u with %u placements", info.id, count);
        EXPECT_SUCCESS(f, nvmlGpuInstanceGetComputeInstancePossiblePlacements(handle, info.id, places, &count));
        m->compute_limit[gpu][profile][info.id] = info.instanceCount;
        raise_to(&m->longest_compute[info.id], info.instanceCount);
        raise_to(&m->longest_compute_places[info.id], count);
        for (unsigned int i = 0; i < count && m->compute_offer_count < KNOWN_OFFERS; i++)
            m->compute_offers[m->compute_offer_count++] = (offer){info.id, places[i].start, places[i].size};
    }
}

static void read_offers(const fuzzer *f, machine *m, unsigned int gpu)
{
    nvmlDevice_t device = m->handles[gpu];
    nvmlReturn_t activation;
    nvmlReturn_t result = nvmlDeviceSetMigMode(device, NVML_DEVICE_MIG_ENABLE, &activation);
    if (result == NVML_ERROR_NOT_SUPPORTED)
        return;
    expect(f, result, NVML_SUCCESS, "nvmlDeviceSetMigMode");
    m->has_mig[gpu] = true;
    for (unsigned int number = 0; number < PROFILE_NUMBERS; number++) {
        nvmlGpuInstanceProfileInfo_t info;
        result = nvmlDeviceGetGpuInstanceProfileInfo(device, number, &info);
        if (result == NVML_ERROR_INVALID_ARGUMENT)
            return;
        if (result == NVML_ERROR_NOT_SUPPORTED)
            continue;
        expect(f, result, NVML_SUCCESS, "nvmlDeviceGetGpuInstanceProfileInfo");
        nvmlGpuInstancePlacement_t places[KNOWN_OFFERS];
        unsigned int count;
        EXPECT_SUCCESS(f, nvmlDeviceGetGpuInstancePossiblePlacements_v2(device, info.id, NULL, &count));
        if (info.id >= PROFILE_IDS || count > KNOWN_OFFERS)
            fail(f, NULL, NULL, "profile %u with %u placements", info.id, count);
        EXPECT_SUCCESS(f, nvmlDeviceGetGpuInstancePossiblePlacements_v2(device, info.id, places, &count));
        m->limit[gpu][info.id] = info.instanceCount;
        raise_to(&m->longest[info.id], info.instanceCount);
        raise_to(&m->longest_places[info.id], count);
        for (unsigned int i = 0; i < count && m->offer_count < KNOWN_OFFERS; i++)
            m->offers[m->offer_count++] = (offer){info.id, places[i].start, places[i].size};

        nvmlGpuInstance_t handle;
        if (nvmlDeviceCreateGpuInstance(device, info.id, &handle) != NVML_SUCCESS)
            continue; /* the mode waits for something: then there are no compute instances either */
        read_compute_offers(f, m, gpu, info.id, handle);
        EXPECT_SUCCESS(f, nvmlGpuInstanceDestroy(handle));
    }
}

/* NVML is initialised on a new machine; its GPUs are in MIG mode afterwards where they can be. */
static void read_machine(const fuzzer *f, machine *m)
{
    EXPECT_SUCCESS(f, nvmlDeviceGetCount_v2(&m->gpu_count));
    if (m->gpu_count == 0 || m->gpu_count > MOST_GPUS)
        fail(f, NULL, NULL, "%u GPUs; this test takes 1 to %u", m->gpu_count, (unsigned int)MOST_GPUS);
    for (unsigned int g = 0; g < m->gpu_count; g++) {
        EXPECT_SUCCESS(f, nvmlDeviceGetHandleByIndex_v2(g, &m->handles[g]));
        EXPECT_SUCCESS(f, nvmlDeviceGetUUID(m->handles[g], m->uuids[g], UUID_SIZE));
        EXPECT_SUCCESS(f, nvmlDeviceGetSerial(m->handles[g], m->serials[g], sizeof(m->serials[g])));
        EXPECT_SUCCESS(f, nvmlDeviceGetPciInfo_v3(m->handles[g], &m->pci[g]));
        read_offers(f, m, g);
    }
}

/* MIG devices must be the compute instances, in order, and every way to find one must lead to the same. */
static void check_mig_devices(const fuzzer *f, nvmlDevice_t gpu, const gpu_layout *of)
{
    unsigned int most;
    unsigned int index = 0;
    EXPECT_SUCCESS(f, nvmlDeviceGetMaxMigDeviceCount(gpu, &most));
    nvmlDevice_t device;
    for (unsigned int id = 0; id < GPU_INSTANCE_IDS; id++) {
        for (unsigned int ci = 0; ci < COMPUTE_INSTANCE_IDS; ci++) {
            if (of->compute[id][ci].exists == 0)
                continue;
            EXPECT_SUCCESS(f, nvmlDeviceGetMigDeviceHandleByIndex(gpu, index, &device));
            unsigned int found_id;
            unsigned int found_ci;
            unsigned int found_index;
            unsigned int is_mig;
            char uuid[UUID_SIZE];
            nvmlDevice_t parent;
            nvmlDevice_t same;
            EXPECT_SUCCESS(f, nvmlDeviceGetGpuInstanceId(device, &found_id));
            EXPECT_SUCCESS(f, nvmlDeviceGetComputeInstanceId(device, &found_ci));
            EXPECT_SUCCESS(f, nvmlDeviceGetIndex(device, &found_index));
            EXPECT_SUCCESS(f, nvmlDeviceIsMigDeviceHandle(device, &is_mig));
            EXPECT_SUCCESS(f, nvmlDeviceGetUUID(device, uuid, sizeof(uuid)));
            EXPECT_SUCCESS(f, nvmlDeviceGetHandleByUUID(uuid, &same));
            EXPECT_SUCCESS(f, nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device, &parent));
            if (found_id != id || found_ci != ci || found_index != index || is_mig != 1)
                fail(f, NULL, NULL, "MIG device %u is instance %u/%u with index %u, not %u/%u", index, found_id,
                     found_ci, found_index, id, ci);
            if (same != device || parent != gpu)
                fail(f, NULL, NULL, "MIG device %u, %s, leads to another, or to another GPU", index, uuid);
            index++;
        }
    }
    if (index > most)
        fail(f, NULL, NULL, "%u MIG devices, at most %u should exist", index, most);
    nvmlReturn_t result = nvmlDeviceGetMigDeviceHandleByIndex(gpu, index, &device);
    expect(f, result, NVML_ERROR_NOT_FOUND, "one MIG device too many");
}

static void check_lists(const fuzzer *f, unsigned int gpu, const gpu_layout *of)
{
    for (unsigned int profile = 0; profile < PROFILE_IDS; profile++) {
        unsigned int limit = f->machine->limit[gpu][profile];
        if (limit == 0)
            continue;
        unsigned int existing = 0;
        for (unsigned int id = 0; id < GPU_INSTANCE_IDS; id++)
            existing += of->at[id].exists != 0 && of->at[id].profile == profile;
        nvmlGpuInstance_t listed[UNKNOWN_LENGTH];
        unsigned int count;
        unsigned int remaining;
        EXPECT_SUCCESS(f, nvmlDeviceGetGpuInstances(f->machine->handles[gpu], profile, listed, &count));
        EXPECT_SUCCESS(f, nvmlDeviceGetGpuInstanceRemainingCapacity(f->machine->handles[gpu], profile, &remaining));
        if (count != existing || remaining > limit - existing)
            fail(f, NULL, NULL, "%u of profile %u listed, %u exist, %u more would fit, %u are allowed", count, profile,
                 existing, remaining, limit);
    }
}

/* Called with NVML shut down, or not: another thread may have left it open. */
static void close_all(const fuzzer *f)
{
    nvmlReturn_t result;
    do
        result = nvmlShutdown();
    while (result == NVML_SUCCESS);
    expect(f, result, NVML_ERROR_UNINITIALIZED, "nvmlShutdown");
}

/* The remains of the round. */
static void check_round(fuzzer *f)
{
    f->following = f->following && f->depth > 0;
    nvmlReturn_t result = nvmlInit_v2();
    if (result == NVML_ERROR_INVALID_STATE) { /* the last configuration was one to refuse: the file is what remains */
        char message[512];
        if (nvmlStubConfigure(NULL, f->machine->path, NULL, message, sizeof(message)) != NVML_SUCCESS)
            fail(f, NULL, NULL, "%s", message);
        result = nvmlInit_v2();
    }
    expect(f, result, NVML_SUCCESS, "nvmlInit_v2");
    check_model(f);
    for (unsigned int g = 0; g < f->machine->gpu_count; g++) {
        if (f->machine->has_mig[g])
            check_mig_devices(f, f->machine->handles[g], &f->model.gpus[g]);
        check_lists(f, g, &f->model.gpus[g]);
    }
    close_all(f);
}

static void *run_thread(void *argument)
{
    fuzzer *f = argument;
    for (unsigned int i = 0; i < CALLS_PER_ROUND; i++)
        step(f);
    return NULL;
}

static void run_round(fuzzer *fuzzers, unsigned long long round, const char *gpus)
{
    static machine m;
    static char path[sizeof(folder) + 32];
    snprintf(path, sizeof(path), "%s/%llu", folder, round);
    memset(&m, 0, sizeof(m));
    m.gpus = gpus;
    m.path = path;
    m.in_file = round % 4 == 3;

    fuzzer *first = &fuzzers[0];
    first->machine = &m;
    char message[512];
    if (nvmlStubConfigure(gpus, path, NULL, message, sizeof(message)) != NVML_SUCCESS ||
        (!m.in_file && nvmlStubConfigure(gpus, NULL, NULL, message, sizeof(message)) != NVML_SUCCESS))
        fail(first, NULL, NULL, "%s", message);
    EXPECT_SUCCESS(first, nvmlInit_v2());
    read_machine(first, &m);

    pthread_t threads[MOST_THREADS];
    for (unsigned int t = 0; t < thread_count; t++) {
        fuzzer *f = &fuzzers[t];
        f->machine = &m;
        f->random = seed ^ (round << 8 | t) * UINT64_C(0xD1B54A32D192ED03);
        f->closed = f->closing = f->broken = f->following = false;
        f->depth = 1;
        memset(f->known, 0, sizeof(f->known));
        memset(f->uuids, 0, sizeof(f->uuids));
    }
    alarm(SECONDS_PER_ROUND);
    if (thread_count == 1)
        run_thread(first);
    for (unsigned int t = 0; thread_count > 1 && t < thread_count; t++)
        if (pthread_create(&threads[t], NULL, run_thread, &fuzzers[t]) != 0)
            fail(first, NULL, NULL, "cannot start a thread");
    for (unsigned int t = 0; thread_count > 1 && t < thread_count; t++)
        pthread_join(threads[t], NULL);
    check_round(first);
    alarm(0);
    unlink(path);
}

/* ---- files that are not ours to change --------------------------------------------------------------------------- */

static const char foreign_text[] = "the diary of somebody else\n";
static const char short_text[] = "NVMLSTUB\1\0\0\0\2\0\0"; /* as ours begins, and cut off */

static void write_file(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "w");
    if (file == NULL || fwrite(text, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(2);
    }
}

static bool holds(const char *path, const char *text, size_t size)
{
    char found[64];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    size_t length = fread(found, 1, sizeof(found), file);
    fclose(file);
    return length == size && memcmp(found, text, size) == 0;
}

/* Makes the folder that everything happens in. */
static void make_files(void)
{
    const char *where = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/nvml-stub-fuzz-XXXXXX", where == NULL || where[0] == '\0' ? "/tmp" : where);
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        exit(2);
    }
    snprintf(foreign_path, sizeof(foreign_path), "%s/foreign", folder);
    snprintf(short_path, sizeof(short_path), "%s/short", folder);
    snprintf(missing_path, sizeof(missing_path), "%s/missing/file", folder);
    write_file(foreign_path, foreign_text, sizeof(foreign_text));
    write_file(short_path, short_text, sizeof(short_text));
}

/* Removes it, which fails if calls left anything behind. */
static void remove_files(const fuzzer *f)
{
    if (!holds(foreign_path, foreign_text, sizeof(foreign_text)) || !holds(short_path, short_text, sizeof(short_text)))
        fail(f, NULL, NULL, "a file that is no state file was changed");
    unlink(foreign_path);
    unlink(short_path);
    if (rmdir(folder) != 0)
        fail(f, NULL, NULL, "something was left in the folder: %s", strerror(errno));
}

/* ---- main -------------------------------------------------------------------------------------------------------- */

static bool is_in_table(const char *name, size_t length)
{
    for (unsigned int i = 0; i < FUNCTION_COUNT; i++)
        if (strlen(functions[i].name) == length && memcmp(functions[i].name, name, length) == 0)
            return true;
    return false;
}

/* A line of the header that begins with NVML_EXPORT declares the function whose name stands before the parenthesis. */
static int check_coverage(const char *header)
{
    FILE *file = fopen(header, "r");
    if (file == NULL) {
        perror(header);
        return 2;
    }
    char line[512];
    unsigned int declared = 0;
    unsigned int missing = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "NVML_EXPORT ", strlen("NVML_EXPORT ")) != 0)
            continue;
        const char *end = line + strcspn(line, "(");
        const char *name = end;
        while (name > line && name[-1] != ' ' && name[-1] != '*')
            name--;
        declared++;
        if (is_in_table(name, (size_t)(end - name)))
            continue;
        printf("not fuzzed: %.*s\n", (int)(end - name), name);
        missing++;
    }
    fclose(file);
    printf("%s declares %u functions; %u of them are missing here\n", header, declared, missing);
    return declared == 0 || missing > 0 ? 1 : 0;
}

static bool parse(const char *text, unsigned long long most, unsigned long long *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 0);
    return end != text && *end == '\0' && errno == 0 && *value <= most;
}

static void print_results(const fuzzer *fuzzers)
{
    const char *separator = "results: ";
    for (unsigned int r = 0; r < RESULTS; r++) {
        unsigned long long count = 0;
        for (unsigned int t = 0; t < thread_count; t++)
            count += fuzzers[t].results[r];
        if (count > 0) {
            printf("%s%s %llu", separator, nvmlErrorString((nvmlReturn_t)r), count);
            separator = ", ";
        }
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--covers") == 0)
        return check_coverage(argv[2]);
    unsigned long long given_seed;
    unsigned long long calls;
    unsigned long long given_threads;
    if (argc < 4 || !parse(argv[1], UINT64_MAX, &given_seed) || !parse(argv[2], UINT64_MAX, &calls) ||
        !parse(argv[3], MOST_THREADS, &given_threads) || given_threads == 0) {
        fprintf(stderr, "usage: fuzz SEED CALLS THREADS [MACHINE...]\n       fuzz --covers HEADER\n");
        return 2;
    }
    seed = given_seed;
    thread_count = (unsigned int)given_threads;
    printf("fuzz %llu %llu %llu\n", given_seed, calls, given_threads);
    fflush(stdout);

    static const char *const usual[] = {
        "A100-SXM4-40GB", "H200", "A100-SXM4-40GB+swapped*2,H200", "A30,RTX-PRO-6000-Server,T4", "A100-SXM4-80GB+vm,GH200",
    };
    const char *const *machines = argc > 4 ? (const char *const *)argv + 4 : usual;
    unsigned int machine_count = argc > 4 ? (unsigned int)argc - 4 : sizeof(usual) / sizeof(usual[0]);
    static fuzzer fuzzers[MOST_THREADS];
    fuzzers[0].alone = thread_count == 1;
    make_files();

    struct timespec begin;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    unsigned long long round = 0;
    for (; round * CALLS_PER_ROUND * thread_count < calls; round++)
        run_round(fuzzers, round, machines[round % machine_count]);
    clock_gettime(CLOCK_MONOTONIC, &end);

    unsigned long long done[EFFECTS] = {0};
    calls = 0;
    for (unsigned int t = 0; t < thread_count; t++) {
        calls += fuzzers[t].calls;
        for (unsigned int e = 0; e < EFFECTS; e++)
            done[e] += fuzzers[t].done[e];
    }
    printf("%llu calls in %llu rounds, %.1f s; created and destroyed %llu and %llu GPU instances, %llu and %llu "
           "compute instances; set %llu modes\n",
           calls, round, (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
           done[CREATES_GPU_INSTANCE], done[DESTROYS_GPU_INSTANCE], done[CREATES_COMPUTE_INSTANCE],
           done[DESTROYS_COMPUTE_INSTANCE], done[SETS_MODE]);
    print_results(fuzzers);
    remove_files(&fuzzers[0]);
    if (calls >= 50000 && (done[DESTROYS_GPU_INSTANCE] == 0 || done[DESTROYS_COMPUTE_INSTANCE] == 0))
        fail(&fuzzers[0], NULL, NULL, "hardly anything happened");
    return 0;
}
