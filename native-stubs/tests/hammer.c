/*
 * Several processes create, destroy and list instances on one state file, while their parent kills random ones at
 * random moments and starts others in their place.
 *
 *   hammer [SECONDS [PROCESSES [SEED [MACHINE]]]]     by default 30 s, 8 processes, seed 1
 *
 * Every process writes what it is about to do, and what came of it, to a log that all share. In the end the log must
 * have an explanation: an order of the operations, each at some moment between its two records, in which every one that
 * succeeded could succeed, and which ends with what the file holds. Only of an operation that was under way when its
 * process was killed may the explanation say that it happened or that it did not. An instance that was lost, or made
 * twice, has none.
 */
#include "nvml_stub.h"

#include "random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_PROCESSES = 32,
    MOST_GPUS = 8,
    GPU_INSTANCE_IDS = 32,
    COMPUTE_INSTANCE_IDS = 16,
    PROFILE_NUMBERS = 64,
    COMPUTE_PROFILE_NUMBERS = 16,
    MOST_PROFILES = 32,
    MOST_PLACES = 32,
    SLICES = 16,
    MOST_STATES = 100000,
    LEAST_GAP_MS = 8,  /* between kills, on average */
    MOST_KILLS = 3,    /* at a time */
    HANG_SECONDS = 30  /* for one operation, far more than a loaded machine takes */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

typedef enum { INTENT, ANSWER, GONE } record_kind;

typedef enum { SET_MODE, CREATE, DESTROY, CREATE_COMPUTE, DESTROY_COMPUTE, LIST, ACTS } act;

static const char *const act_names[] = {
    "set mode", "create", "destroy", "create compute instance", "destroy compute instance", "list",
};

/* Of a size that divides pages, so that the kernel writes each record whole even if the process is killed meanwhile. */
typedef struct {
    int32_t kind;
    int32_t process;
    int32_t act;
    int32_t result;
    int32_t gpu;
    int32_t profile;
    int32_t start; /* of the GPU instance; -1: not known */
    int32_t size;
    int32_t compute_id; /* -1: not known */
    int32_t count;      /* listed; or the mode */
    int32_t spare[6];
} record;
_Static_assert(4096 % sizeof(record) == 0, "a record must not lie across pages");

static int log_file = -1;

static void write_record(const record *written)
{
    if (write(log_file, written, sizeof(*written)) != (ssize_t)sizeof(*written)) {
        perror("hammer: cannot write to the log");
        _exit(2);
    }
}

static void print_record(size_t number, const record *r)
{
    static const char *const kinds[] = {"begins", "ends", "is gone"};
    printf("  record %zu: process %d %s", number, r->process, kinds[r->kind]);
    if (r->kind != GONE)
        printf(": %s, GPU %d, profile %d at %d:%d, compute instance %d, count %d", act_names[r->act], r->gpu,
               r->profile, r->start, r->size, r->compute_id, r->count);
    if (r->kind == ANSWER)
        printf(": %s", nvmlErrorString((nvmlReturn_t)r->result));
    printf("\n");
}

/* ---- a process that hammers -------------------------------------------------------------------------------------- */

typedef struct {
    unsigned int id;
    unsigned int limit;
    unsigned int place_count;
    nvmlGpuInstancePlacement_t places[MOST_PLACES];
} profile;

typedef struct {
    nvmlDevice_t handle;
    unsigned int profile_count;
    profile profiles[MOST_PROFILES];
} gpu_offers;

static unsigned int gpu_count;
static gpu_offers gpus[MOST_GPUS];

static int child_number;
static uint64_t child_random;

static unsigned int below(unsigned int limit)
{
    return random_below(&child_random, limit);
}

__attribute__((format(printf, 1, 2), noreturn))
static void give_up(const char *format, ...)
{
    fprintf(stderr, "hammer: process %d: ", child_number);
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\n");
    exit(1);
}

/* Allowed results of a call while others change the machine. Anything else is a failure. */
static nvmlReturn_t sound(nvmlReturn_t result, const char *what)
{
    switch (result) {
    case NVML_SUCCESS:
    case NVML_ERROR_INVALID_ARGUMENT: /* a handle of what is gone */
    case NVML_ERROR_NOT_SUPPORTED:    /* MIG mode is off */
    case NVML_ERROR_NOT_FOUND:
    case NVML_ERROR_IN_USE:
    case NVML_ERROR_INSUFFICIENT_RESOURCES:
        return result;
    default:
        give_up("%s: %s (%d)", what, nvmlErrorString(result), (int)result);
    }
}

#define SOUND(call) sound(call, #call)

static void must(nvmlReturn_t result, const char *what)
{
    if (result != NVML_SUCCESS)
        give_up("%s: %s (%d)", what, nvmlErrorString(result), (int)result);
}

#define MUST(call) must(call, #call)

/* The profiles of the GPUs, which no process changes. */
static void read_offers(void)
{
    MUST(nvmlDeviceGetCount_v2(&gpu_count));
    if (gpu_count > MOST_GPUS)
        give_up("%u GPUs are too many", gpu_count);
    for (unsigned int g = 0; g < gpu_count; g++) {
        gpu_offers *gpu = &gpus[g];
        MUST(nvmlDeviceGetHandleByIndex_v2(g, &gpu->handle));
        gpu->profile_count = 0;
        for (unsigned int number = 0; number < PROFILE_NUMBERS; number++) {
            nvmlGpuInstanceProfileInfo_t info;
            nvmlReturn_t result = nvmlDeviceGetGpuInstanceProfileInfo(gpu->handle, number, &info);
            if (result == NVML_ERROR_INVALID_ARGUMENT)
                break;
            if (result == NVML_ERROR_NOT_SUPPORTED)
                continue;
            must(result, "nvmlDeviceGetGpuInstanceProfileInfo");
            if (gpu->profile_count == MOST_PROFILES)
                give_up("too many profiles");
            profile *offered = &gpu->profiles[gpu->profile_count++];
            offered->id = info.id;
            offered->limit = info.instanceCount;
            unsigned int count = 0;
            MUST(nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu->handle, info.id, NULL, &count));
            if (count > MOST_PLACES)
                give_up("too many placements");
            MUST(nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu->handle, info.id, offered->places,
                                                               &offered->place_count));
        }
    }
}

/* A handle of some GPU instance that there is, or NULL; `info` is what it says of itself. */
static nvmlGpuInstance_t find_gpu_instance(unsigned int gpu, nvmlGpuInstanceInfo_t *info)
{
    unsigned int first = below(GPU_INSTANCE_IDS);
    for (unsigned int i = 0; i < GPU_INSTANCE_IDS; i++) {
        nvmlGpuInstance_t handle;
        unsigned int id = (first + i) % GPU_INSTANCE_IDS;
        if (SOUND(nvmlDeviceGetGpuInstanceById(gpus[gpu].handle, id, &handle)) == NVML_SUCCESS &&
            SOUND(nvmlGpuInstanceGetInfo(handle, info)) == NVML_SUCCESS)
            return handle;
    }
    return NULL;
}

static record begin(act what, unsigned int gpu)
{
    return (record){.kind = INTENT,
                    .process = child_number,
                    .act = what,
                    .gpu = (int32_t)gpu,
                    .profile = -1,
                    .start = -1,
                    .size = -1,
                    .compute_id = -1,
                    .count = -1};
}

/* To be called at once after the call, and before any other. */
static void end(record *r, nvmlReturn_t result)
{
    r->kind = ANSWER;
    r->result = (int32_t)result;
}

static void set_mode(unsigned int gpu, unsigned int mode)
{
    record r = begin(SET_MODE, gpu);
    r.count = (int32_t)mode;
    write_record(&r);
    nvmlReturn_t activation = NVML_SUCCESS;
    nvmlReturn_t result = SOUND(nvmlDeviceSetMigMode(gpus[gpu].handle, mode, &activation));
    end(&r, result == NVML_SUCCESS ? activation : result);
    write_record(&r);
}

static void create(unsigned int gpu)
{
    if (gpus[gpu].profile_count == 0)
        return;
    const profile *wanted = &gpus[gpu].profiles[below(gpus[gpu].profile_count)];
    const nvmlGpuInstancePlacement_t *place = below(4) == 0 ? NULL : &wanted->places[below(wanted->place_count)];
    record r = begin(CREATE, gpu);
    r.profile = (int32_t)wanted->id;
    if (place != NULL) {
        r.start = (int32_t)place->start;
        r.size = (int32_t)place->size;
    }
    write_record(&r);
    nvmlGpuInstance_t created;
    nvmlReturn_t result =
        place == NULL ? SOUND(nvmlDeviceCreateGpuInstance(gpus[gpu].handle, wanted->id, &created))
                      : SOUND(nvmlDeviceCreateGpuInstanceWithPlacement(gpus[gpu].handle, wanted->id, place, &created));
    end(&r, result);
    /* Where it stands can be asked only while it stands: another process may already have destroyed it. */
    nvmlGpuInstanceInfo_t info;
    if (result == NVML_SUCCESS && place == NULL && SOUND(nvmlGpuInstanceGetInfo(created, &info)) == NVML_SUCCESS) {
        r.start = (int32_t)info.placement.start;
        r.size = (int32_t)info.placement.size;
    }
    write_record(&r);
    if (result == NVML_ERROR_NOT_SUPPORTED)
        set_mode(gpu, NVML_DEVICE_MIG_ENABLE);
}

static void destroy(unsigned int gpu)
{
    nvmlGpuInstanceInfo_t info;
    nvmlGpuInstance_t handle = find_gpu_instance(gpu, &info);
    if (handle == NULL)
        return;
    record r = begin(DESTROY, gpu);
    r.start = (int32_t)info.placement.start;
    r.size = (int32_t)info.placement.size;
    write_record(&r);
    end(&r, SOUND(nvmlGpuInstanceDestroy(handle)));
    write_record(&r);
}

static void create_compute(unsigned int gpu)
{
    nvmlGpuInstanceInfo_t info;
    nvmlGpuInstance_t handle = find_gpu_instance(gpu, &info);
    nvmlComputeInstanceProfileInfo_t wanted;
    if (handle == NULL ||
        SOUND(nvmlGpuInstanceGetComputeInstanceProfileInfo(handle, below(COMPUTE_PROFILE_NUMBERS),
                                                           NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, &wanted)) !=
            NVML_SUCCESS)
        return;
    nvmlComputeInstancePlacement_t places[MOST_PLACES];
    unsigned int count = 0;
    bool anywhere = below(2) == 0;
    if (!anywhere && (SOUND(nvmlGpuInstanceGetComputeInstancePossiblePlacements(handle, wanted.id, places, &count)) !=
                          NVML_SUCCESS ||
                      count == 0))
        return;

    record r = begin(CREATE_COMPUTE, gpu);
    r.profile = (int32_t)wanted.id;
    r.start = (int32_t)info.placement.start;
    r.size = (int32_t)info.placement.size;
    write_record(&r);
    nvmlComputeInstance_t created;
    nvmlReturn_t result = anywhere ? SOUND(nvmlGpuInstanceCreateComputeInstance(handle, wanted.id, &created))
                                   : SOUND(nvmlGpuInstanceCreateComputeInstanceWithPlacement(
                                         handle, wanted.id, &places[below(count)], &created));
    end(&r, result);
    nvmlComputeInstanceInfo_t held;
    if (result == NVML_SUCCESS && SOUND(nvmlComputeInstanceGetInfo_v2(created, &held)) == NVML_SUCCESS)
        r.compute_id = (int32_t)held.id;
    write_record(&r);
}

static void destroy_compute(unsigned int gpu)
{
    nvmlGpuInstanceInfo_t info;
    nvmlGpuInstance_t handle = find_gpu_instance(gpu, &info);
    unsigned int first = below(COMPUTE_INSTANCE_IDS);
    for (unsigned int i = 0; handle != NULL && i < COMPUTE_INSTANCE_IDS; i++) {
        unsigned int id = (first + i) % COMPUTE_INSTANCE_IDS;
        nvmlComputeInstance_t compute;
        if (SOUND(nvmlGpuInstanceGetComputeInstanceById(handle, id, &compute)) != NVML_SUCCESS)
            continue;
        record r = begin(DESTROY_COMPUTE, gpu);
        r.start = (int32_t)info.placement.start;
        r.size = (int32_t)info.placement.size;
        r.compute_id = (int32_t)id;
        write_record(&r);
        end(&r, SOUND(nvmlComputeInstanceDestroy(compute)));
        write_record(&r);
        return;
    }
}

static void list(unsigned int gpu)
{
    if (gpus[gpu].profile_count == 0)
        return;
    const profile *listed = &gpus[gpu].profiles[below(gpus[gpu].profile_count)];
    record r = begin(LIST, gpu);
    r.profile = (int32_t)listed->id;
    write_record(&r);
    nvmlGpuInstance_t handles[GPU_INSTANCE_IDS];
    unsigned int count = 0;
    end(&r, SOUND(nvmlDeviceGetGpuInstances(gpus[gpu].handle, listed->id, handles, &count)));
    if (count > listed->limit)
        give_up("%u instances of profile %u, which allows %u", count, listed->id, listed->limit);
    r.count = (int32_t)count;
    write_record(&r);
}

/* Empties a GPU and turns its MIG mode off, unless others are faster. */
static void sweep(unsigned int gpu)
{
    for (unsigned int i = 0; i < GPU_INSTANCE_IDS; i++) {
        destroy_compute(gpu);
        destroy(gpu);
    }
    set_mode(gpu, NVML_DEVICE_MIG_DISABLE);
}

static void do_something(void)
{
    unsigned int gpu = below(gpu_count);
    unsigned int what = below(10000);
    if (what < 3000)
        create(gpu);
    else if (what < 4500)
        destroy(gpu);
    else if (what < 6500)
        create_compute(gpu);
    else if (what < 7950)
        destroy_compute(gpu);
    else if (what < 9900)
        list(gpu);
    else if (what < 9998)
        set_mode(gpu, below(2) == 0 ? NVML_DEVICE_MIG_DISABLE : NVML_DEVICE_MIG_ENABLE);
    else
        sweep(gpu);
}

/* hammer --child LOG NUMBER SEED DEADLINE */
static int hammer(char **arguments)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    child_number = atoi(arguments[1]);
    child_random = strtoull(arguments[2], NULL, 10);
    int64_t deadline = strtoll(arguments[3], NULL, 10);
    log_file = open(arguments[0], O_WRONLY | O_APPEND | O_CLOEXEC);
    if (log_file < 0)
        give_up("%s: %s", arguments[0], strerror(errno));
    alarm(HANG_SECONDS); /* whoever waits longer dies of it, and the parent knows what that means */
    MUST(nvmlInit_v2());
    read_offers();
    while (now_ms() < deadline) {
        alarm(HANG_SECONDS);
        do_something();
    }
    MUST(nvmlShutdown());
    return 0;
}

/* ---- the parent -------------------------------------------------------------------------------------------------- */

static char folder[512];
static char log_path[sizeof(folder) + 16];
static char state_path[sizeof(folder) + 16];
static unsigned int process_count = 8;
static pid_t processes[MOST_PROCESSES];

__attribute__((format(printf, 1, 2), noreturn))
static void fail(const char *format, ...)
{
    printf("FAILED: ");
    va_list values;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    printf("\n  state file and log are in %s\n", folder);
    fflush(stdout);
    for (unsigned int p = 0; p < process_count; p++)
        if (processes[p] > 0)
            kill(processes[p], SIGKILL);
    exit(1);
}

static void start_process(unsigned int number, uint64_t seed, int64_t deadline)
{
    char number_text[16];
    char seed_text[32];
    char deadline_text[32];
    snprintf(number_text, sizeof(number_text), "%u", number);
    snprintf(seed_text, sizeof(seed_text), "%" PRIu64, seed);
    snprintf(deadline_text, sizeof(deadline_text), "%" PRId64, deadline);
    char *arguments[] = {"hammer", "--child", log_path, number_text, seed_text, deadline_text, NULL};
    pid_t started = fork();
    if (started == 0) {
        execv("/proc/self/exe", arguments);
        _exit(127);
    }
    if (started < 0)
        fail("cannot fork: %s", strerror(errno));
    processes[number] = started;
}

/* The process is dead: of what it had begun, no more will happen. */
static void bury(unsigned int number, int status)
{
    processes[number] = 0;
    record gone = {.kind = GONE, .process = (int32_t)number};
    write_record(&gone);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        fail("process %u hung for %d s", number, (int)HANG_SECONDS);
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        fail("process %u died of signal %d", number, WTERMSIG(status));
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail("process %u ended with exit code %d", number, WEXITSTATUS(status));
}

/* How long a process takes to begin, which sanitizers make long: killed faster than that, none would do anything. */
static int64_t measure_start(void)
{
    char other_path[sizeof(folder) + 16];
    snprintf(other_path, sizeof(other_path), "%s/other", folder);
    setenv("NVML_STUB_STATE", other_path, 1);
    int64_t begin = now_ms();
    int status;
    start_process(0, 0, 0);
    if (waitpid(processes[0], &status, 0) != processes[0])
        fail("cannot wait for a process: %s", strerror(errno));
    bury(0, status);
    unlink(other_path);
    return now_ms() - begin;
}

static void kill_some(uint64_t *random, int64_t deadline, unsigned int *kills)
{
    for (unsigned int n = 1 + random_below(random, MOST_KILLS); n > 0; n--) {
        unsigned int p = random_below(random, process_count);
        int status;
        kill(processes[p], SIGKILL);
        if (waitpid(processes[p], &status, 0) != processes[p])
            fail("cannot wait for process %u: %s", p, strerror(errno));
        bury(p, status);
        start_process(p, random_next(random), deadline);
        *kills += 1;
    }
}

static void run(uint64_t random, long seconds, unsigned int *kills)
{
    int64_t gap_ms = 2 * measure_start();
    if (gap_ms < LEAST_GAP_MS)
        gap_ms = LEAST_GAP_MS;
    int64_t deadline = now_ms() + seconds * 1000;
    setenv("NVML_STUB_STATE", state_path, 1);
    for (unsigned int p = 0; p < process_count; p++)
        start_process(p, random_next(&random), deadline);
    for (;;) {
        long pause_us = (long)random_below(&random, (unsigned int)gap_ms * 2000);
        nanosleep(&(struct timespec){pause_us / 1000000, pause_us % 1000000 * 1000}, NULL);
        if (now_ms() >= deadline)
            break;
        kill_some(&random, deadline, kills);
    }
    for (unsigned int p = 0; p < process_count; p++) {
        int status;
        pid_t ended = 0;
        while ((ended = waitpid(processes[p], &status, WNOHANG)) == 0 && now_ms() < deadline + 2 * HANG_SECONDS * 1000)
            nanosleep(&(struct timespec){0, 5000000}, NULL);
        if (ended != processes[p])
            fail("process %u does not end", p);
        bury(p, status);
    }
}

/* ---- whether the log has an explanation -------------------------------------------------------------------------- */

/* One GPU, as it may be at a point of the log. All bytes count in comparisons, so there is no padding. */
typedef struct {
    uint32_t done; /* the operations under way, by process, that have happened already */
    uint32_t enabled;
    struct {
        uint8_t size; /* 0: no instance begins here */
        uint8_t profile;
        uint16_t compute; /* ids of the compute instances */
    } at[SLICES];
} gpu_state;

typedef struct {
    act act;
    bool under_way;
    record what; /* with all that its answer told */
} operation;

typedef struct {
    gpu_state *states; /* all that the log allows for */
    size_t count;
    size_t room;
    operation operations[MOST_PROCESSES];
} gpu_history;

static gpu_history histories[MOST_GPUS];
static size_t most_states;

static bool happens_at(gpu_state *state, const record *what, int start, int size)
{
    if (start < 0 || size <= 0 || start + size > SLICES)
        return false;
    switch ((act)what->act) {
    case CREATE:
        if (state->enabled == 0)
            return false;
        for (int i = 0; i < SLICES; i++)
            if (state->at[i].size != 0 && i < start + size && start < i + state->at[i].size)
                return false;
        state->at[start].size = (uint8_t)size;
        state->at[start].profile = (uint8_t)what->profile;
        return true;
    case DESTROY:
        if (state->at[start].size != size || state->at[start].compute != 0)
            return false;
        memset(&state->at[start], 0, sizeof(state->at[start]));
        return true;
    case CREATE_COMPUTE: {
        int id = what->compute_id;
        if (id < 0) /* NVML gives the lowest that is free */
            for (id = 0; id < COMPUTE_INSTANCE_IDS && (state->at[start].compute >> id & 1) != 0; id++) {
            }
        if (state->at[start].size != size || id >= COMPUTE_INSTANCE_IDS || (state->at[start].compute >> id & 1) != 0)
            return false;
        state->at[start].compute = (uint16_t)(state->at[start].compute | 1u << id);
        return true;
    }
    case DESTROY_COMPUTE:
        if (state->at[start].size != size || (state->at[start].compute >> what->compute_id & 1) == 0)
            return false;
        state->at[start].compute = (uint16_t)(state->at[start].compute & ~(1u << what->compute_id));
        return true;
    default:
        return false;
    }
}

static bool changes_mode(gpu_state *state, unsigned int mode)
{
    for (int i = 0; i < SLICES; i++)
        if (mode == NVML_DEVICE_MIG_DISABLE && state->at[i].size != 0)
            return false;
    state->enabled = mode;
    return true;
}

static bool is_listed(const gpu_state *state, const record *what)
{
    int count = 0;
    for (int i = 0; i < SLICES; i++)
        count += state->at[i].size != 0 && state->at[i].profile == what->profile;
    return count == what->count;
}

/* Lists change nothing: each happens at the first moment at which it can. */
static void settle_lists(const gpu_history *gpu, gpu_state *state)
{
    for (unsigned int p = 0; p < process_count; p++) {
        const operation *begun = &gpu->operations[p];
        if (begun->under_way && begun->act == LIST && is_listed(state, &begun->what))
            state->done |= 1u << p;
    }
}

static void add_state(gpu_history *gpu, const gpu_state *added)
{
    for (size_t i = gpu->count; i > 0; i--)
        if (memcmp(&gpu->states[i - 1], added, sizeof(*added)) == 0)
            return;
    if (gpu->count == gpu->room) {
        gpu->room = gpu->room == 0 ? 64 : 2 * gpu->room;
        gpu->states = gpu->room > MOST_STATES ? NULL : realloc(gpu->states, gpu->room * sizeof(*gpu->states));
        if (gpu->states == NULL)
            fail("the log allows for too much to be checked");
    }
    gpu->states[gpu->count++] = *added;
    if (gpu->count > most_states)
        most_states = gpu->count;
}

static void add_next(gpu_history *gpu, gpu_state next, unsigned int process)
{
    next.done |= 1u << process;
    settle_lists(gpu, &next);
    add_state(gpu, &next);
}

/* Adds every state to which operations under way can lead. */
static void expand(gpu_history *gpu, const gpu_offers *offers)
{
    for (size_t i = 0; i < gpu->count; i++) {
        for (unsigned int p = 0; p < process_count; p++) {
            const record *what = &gpu->operations[p].what;
            if (!gpu->operations[p].under_way || gpu->operations[p].act == LIST ||
                (gpu->states[i].done >> p & 1) != 0)
                continue;
            gpu_state next = gpu->states[i];
            if (what->act == SET_MODE) {
                if (changes_mode(&next, (unsigned int)what->count))
                    add_next(gpu, next, p);
                continue;
            }
            if (what->start >= 0) {
                if (happens_at(&next, what, what->start, what->size))
                    add_next(gpu, next, p);
                continue;
            }
            for (unsigned int o = 0; o < offers->profile_count; o++)
                for (unsigned int at = 0; (int)offers->profiles[o].id == what->profile &&
                                          at < offers->profiles[o].place_count; at++) {
                    const nvmlGpuInstancePlacement_t *place = &offers->profiles[o].places[at];
                    next = gpu->states[i];
                    if (happens_at(&next, what, (int)place->start, (int)place->size))
                        add_next(gpu, next, p);
                }
        }
    }
}

/* The operation of a process is over: it has happened, unless only the process is. */
static void conclude(gpu_history *gpu, const gpu_offers *offers, unsigned int process, bool must_have_happened)
{
    expand(gpu, offers);
    size_t count = gpu->count;
    gpu->count = 0;
    for (size_t i = 0; i < count; i++) {
        gpu_state state = gpu->states[i];
        if (must_have_happened && (state.done >> process & 1) == 0)
            continue;
        state.done &= ~(1u << process);
        add_state(gpu, &state); /* never beyond what was read */
    }
    gpu->operations[process].under_way = false;
}

static void begin_operation(gpu_history *gpu, unsigned int process, const record *intent, const record *answer)
{
    operation *begun = &gpu->operations[process];
    begun->act = (act)intent->act;
    begun->what = answer == NULL ? *intent : *answer;
    begun->under_way = answer == NULL ? begun->act != LIST : answer->result == NVML_SUCCESS;
    if (begun->under_way && begun->act == LIST)
        for (size_t i = 0; i < gpu->count; i++)
            settle_lists(gpu, &gpu->states[i]);
}

typedef struct {
    unsigned long long operations;
    unsigned long long done[ACTS];
    unsigned int interrupted; /* by a kill */
} summary;

static record *read_log(size_t *count)
{
    struct stat status;
    int file = open(log_path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0 || status.st_size % (off_t)sizeof(record) != 0)
        fail("the log is not whole");
    *count = (size_t)status.st_size / sizeof(record);
    record *records = malloc((size_t)status.st_size + 1);
    size_t have = 0;
    while (records != NULL && have < (size_t)status.st_size) {
        ssize_t got = read(file, (char *)records + have, (size_t)status.st_size - have);
        if (got <= 0)
            fail("cannot read the log: %s", strerror(errno));
        have += (size_t)got;
    }
    close(file);
    return records;
}

/* The record that answers an intent, for every intent of the log; 0: none does. */
static size_t *find_answers(const record *records, size_t count, summary *said)
{
    size_t *answers = calloc(count + 1, sizeof(*answers));
    size_t open_intent[MOST_PROCESSES];
    bool is_open[MOST_PROCESSES] = {false};
    for (size_t i = 0; answers != NULL && i < count; i++) {
        const record *r = &records[i];
        if (r->process < 0 || r->process >= (int)process_count || r->gpu < 0 || r->gpu >= (int)gpu_count)
            fail("record %zu of the log makes no sense", i);
        if (r->kind == INTENT) {
            open_intent[r->process] = i;
            said->operations++;
        } else if (r->kind == ANSWER) {
            answers[open_intent[r->process]] = i;
            if (r->result == NVML_SUCCESS)
                said->done[r->act]++;
        } else if (is_open[r->process]) {
            said->interrupted++;
        }
        is_open[r->process] = r->kind == INTENT;
    }
    return answers;
}

__attribute__((noreturn))
static void fail_at(const record *records, size_t at)
{
    printf("The log up to here, of this GPU:\n");
    size_t shown = 0;
    size_t first = at;
    while (first > 0 && shown < 40)
        shown += records[--first].gpu == records[at].gpu;
    for (size_t i = first; i <= at; i++)
        if (records[i].gpu == records[at].gpu || records[i].kind == GONE)
            print_record(i, &records[i]);
    fail("nothing explains record %zu: an instance was lost, or made twice", at);
}

static void check_log(summary *said)
{
    size_t count;
    record *records = read_log(&count);
    size_t *answers = records == NULL ? NULL : find_answers(records, count, said);
    if (answers == NULL)
        fail("no memory for the log");
    for (unsigned int g = 0; g < gpu_count; g++)
        add_state(&histories[g], &(gpu_state){0});
    for (size_t i = 0; i < count; i++) {
        const record *r = &records[i];
        unsigned int process = (unsigned int)r->process;
        if (r->kind == INTENT)
            begin_operation(&histories[r->gpu], process, r, answers[i] == 0 ? NULL : &records[answers[i]]);
        for (unsigned int g = 0; r->kind != INTENT && g < gpu_count; g++) {
            if (!histories[g].operations[process].under_way)
                continue;
            conclude(&histories[g], &gpus[g], process, r->kind == ANSWER);
            if (histories[g].count == 0)
                fail_at(records, i);
        }
    }
    free(answers);
    free(records);
}

/* ---- what the file holds in the end ------------------------------------------------------------------------------ */

static void occupy(uint64_t *occupied, unsigned int start, unsigned int size, const char *kind)
{
    if (size == 0 || size > 32 || start > 31)
        fail("a %s instance at %u:%u", kind, start, size);
    uint64_t slices = ((UINT64_C(1) << size) - 1) << start;
    if ((*occupied & slices) != 0)
        fail("the %s instance at %u:%u overlaps another", kind, start, size);
    *occupied |= slices;
}

static void read_compute_instances(nvmlGpuInstance_t handle, uint16_t *ids)
{
    uint64_t occupied = 0;
    for (unsigned int id = 0; id < COMPUTE_INSTANCE_IDS; id++) {
        nvmlComputeInstance_t compute;
        nvmlComputeInstanceInfo_t info;
        if (nvmlGpuInstanceGetComputeInstanceById(handle, id, &compute) != NVML_SUCCESS)
            continue;
        MUST(nvmlComputeInstanceGetInfo_v2(compute, &info));
        occupy(&occupied, info.placement.start, info.placement.size, "compute");
        *ids = (uint16_t)(*ids | 1u << id);
    }
}

static void check_final_state(unsigned int *instances)
{
    for (unsigned int g = 0; g < gpu_count; g++) {
        gpu_state found = {0};
        uint64_t occupied = 0;
        unsigned int pending;
        if (gpus[g].profile_count == 0) /* a GPU without MIG */
            continue;
        MUST(nvmlDeviceGetMigMode(gpus[g].handle, &found.enabled, &pending));
        for (unsigned int id = 0; id < GPU_INSTANCE_IDS; id++) {
            nvmlGpuInstance_t handle;
            nvmlGpuInstanceInfo_t info;
            if (nvmlDeviceGetGpuInstanceById(gpus[g].handle, id, &handle) != NVML_SUCCESS)
                continue;
            MUST(nvmlGpuInstanceGetInfo(handle, &info));
            occupy(&occupied, info.placement.start, info.placement.size, "GPU");
            if (info.placement.start >= SLICES)
                fail("a GPU instance begins at %u", info.placement.start);
            found.at[info.placement.start].size = (uint8_t)info.placement.size;
            found.at[info.placement.start].profile = (uint8_t)info.profileId;
            read_compute_instances(handle, &found.at[info.placement.start].compute);
            *instances += 1;
        }
        bool explained = false;
        for (size_t i = 0; i < histories[g].count && !explained; i++)
            explained = memcmp(&histories[g].states[i], &found, sizeof(found)) == 0;
        if (explained)
            continue;
        for (unsigned int i = 0; i < SLICES; i++)
            if (found.at[i].size != 0)
                printf("  found profile %u at %u:%u, compute instances %#x\n", found.at[i].profile, i, found.at[i].size,
                       found.at[i].compute);
        for (size_t s = 0; s < histories[g].count; s++)
            for (unsigned int i = 0; i < SLICES; i++)
                if (histories[g].states[s].at[i].size != 0)
                    printf("  explanation %zu has profile %u at %u:%u, compute instances %#x\n", s,
                           histories[g].states[s].at[i].profile, i, histories[g].states[s].at[i].size,
                           histories[g].states[s].at[i].compute);
        fail("GPU %u ends otherwise than the log says", g);
    }
}

static void make_files(void)
{
    const char *where = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/nvml-stub-hammer-XXXXXX", where == NULL || where[0] == '\0' ? "/tmp" : where);
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        exit(2);
    }
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    snprintf(state_path, sizeof(state_path), "%s/state", folder);
    log_file = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log_file < 0)
        fail("%s: %s", log_path, strerror(errno));
}

/* Removes the folder. Returns how many files there were beside the log and the state file. */
static unsigned int remove_files(void)
{
    unsigned int others = 0;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char path[sizeof(folder) + sizeof(entry->d_name) + 1];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        others += strcmp(path, log_path) != 0 && strcmp(path, state_path) != 0;
        unlink(path);
    }
    closedir(directory);
    rmdir(folder);
    return others;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "--child") == 0)
        return hammer(argv + 2);
    long seconds = argc > 1 ? atol(argv[1]) : 30;
    process_count = argc > 2 ? (unsigned int)atoi(argv[2]) : process_count;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    const char *machine = argc > 4 ? argv[4] : "A100-SXM4-40GB,H200";
    if (argc > 5 || seconds <= 0 || process_count == 0 || process_count > MOST_PROCESSES) {
        fprintf(stderr, "usage: hammer [SECONDS [PROCESSES [SEED [MACHINE]]]]\n");
        return 2;
    }
    printf("hammer %ld %u %" PRIu64 " %s\n", seconds, process_count, seed, machine);
    fflush(stdout);

    make_files();
    /* The processes find the machine where programs that know of no stub do; the first of them makes the file. */
    setenv("NVML_STUB_GPUS", machine, 1);
    unsigned int kills = 0;
    run(seed, seconds, &kills);

    char message[512];
    if (nvmlStubConfigure(NULL, state_path, NULL, message, sizeof(message)) != NVML_SUCCESS)
        fail("the state file does not open: %s", message);
    MUST(nvmlInit_v2());
    read_offers();
    summary said = {0};
    check_log(&said);
    unsigned int instances = 0;
    check_final_state(&instances);
    MUST(nvmlShutdown());
    unsigned int others = remove_files();
    printf("%llu operations, %u kills, %u of them during an operation; created and destroyed %llu and %llu GPU "
           "instances, %llu and %llu compute instances; %llu lists, %llu modes set; %u GPU instances remain; at most "
           "%zu explanations at a time; %u temporary files left\n",
           said.operations, kills, said.interrupted, said.done[CREATE], said.done[DESTROY], said.done[CREATE_COMPUTE],
           said.done[DESTROY_COMPUTE], said.done[LIST], said.done[SET_MODE], instances, most_states, others);
    if (said.done[DESTROY] == 0 || said.done[DESTROY_COMPUTE] == 0)
        fail("hardly anything happened");
    return 0;
}
