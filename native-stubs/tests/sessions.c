/*
 * Calls that take as long as on hardware, on a machine in a file: in a child of a process that has made some, which must not
 * wait for itself, and under another thread that opens the machine anew, as sessions that follow each other do.
 */
#include "nvml_stub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANG_SECONDS = 20, MACHINES = 200 };

static char path[512];

static nvmlDevice_t gpu; /* the same in all sessions */

static bool read_mode(void)
{
    unsigned int current;
    unsigned int pending;
    return nvmlDeviceGetMigMode(gpu, &current, &pending) == NVML_SUCCESS;
}

static bool read_in_a_child(void)
{
    if (nvmlInit_v2() != NVML_SUCCESS || nvmlDeviceGetHandleByIndex_v2(0, &gpu) != NVML_SUCCESS || !read_mode())
        return false;
    pid_t child = fork();
    if (child == 0) {
        alarm(HANG_SECONDS); /* a child does not inherit it */
        _exit(read_mode() && read_mode() ? 0 : 1);
    }
    int status;
    bool passed = waitpid(child, &status, 0) == child && status == 0 && read_mode();
    return nvmlShutdown() == NVML_SUCCESS && passed;
}

static atomic_bool over;

static void *read_for_ever(void *unused)
{
    while (!atomic_load(&over))
        read_mode(); /* or is refused, while nobody has a session */
    return unused;
}

static bool open_anew_under_a_reader(void)
{
    pthread_t reader;
    if (pthread_create(&reader, NULL, read_for_ever, NULL) != 0)
        return false;
    bool passed = true;
    for (int i = 0; i < MACHINES; i++) {
        char message[512];
        passed = nvmlStubConfigure(NULL, i % 4 == 0 ? NULL : path, NULL, message, sizeof(message)) == NVML_SUCCESS && passed;
        passed = nvmlStubSetLatency("hardware", message, sizeof(message)) == NVML_SUCCESS && passed;
        passed = nvmlInit_v2() == NVML_SUCCESS && read_mode() && nvmlShutdown() == NVML_SUCCESS && passed;
    }
    atomic_store(&over, true);
    return pthread_join(reader, NULL) == 0 && passed;
}

int main(void)
{
    const char *where = getenv("TMPDIR");
    snprintf(path, sizeof(path), "%s/nvml-stub-sessions-%ld", where == NULL || where[0] == '\0' ? "/tmp" : where,
             (long)getpid());
    setenv("NVML_STUB_STATE", path, 1);
    setenv("NVML_STUB_LATENCY", "hardware", 1);
    alarm(HANG_SECONDS);
    bool in_child = read_in_a_child();
    bool anew = open_anew_under_a_reader();
    unlink(path);
    printf("%s in a child, %s under a reader\n", in_child ? "passed" : "FAILED", anew ? "passed" : "FAILED");
    return in_child && anew ? 0 : 1;
}
