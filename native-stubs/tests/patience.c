/*
 * Whether a change gets its turn while others do nothing but read: file locks that readers share let them in for ever.
 *
 *   patience [SECONDS [READERS]]     by default 5 s, 8 readers
 */
#include "nvml_stub.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_READERS = 64,
    MOST_MS = 2000,   /* for one change, of which an idle machine does 40 in a millisecond */
    HANG_SECONDS = 60 /* then the change is not waited for any longer */
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static nvmlDevice_t open_gpu(void)
{
    nvmlDevice_t gpu;
    if (nvmlInit_v2() != NVML_SUCCESS || nvmlDeviceGetHandleByIndex_v2(0, &gpu) != NVML_SUCCESS)
        exit(2);
    return gpu;
}

__attribute__((noreturn))
static void read_for_ever(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    nvmlDevice_t gpu = open_gpu();
    unsigned int current;
    unsigned int pending;
    while (nvmlDeviceGetMigMode(gpu, &current, &pending) == NVML_SUCCESS) {
    }
    exit(2);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 5;
    int readers = argc > 2 ? atoi(argv[2]) : 8;
    if (argc > 3 || seconds <= 0 || readers < 0 || readers > MOST_READERS) {
        fprintf(stderr, "usage: patience [SECONDS [READERS]]\n");
        return 2;
    }
    const char *where = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof(path), "%s/nvml-stub-patience-%ld", where == NULL || where[0] == '\0' ? "/tmp" : where,
             (long)getpid());
    setenv("NVML_STUB_STATE", path, 1);
    setenv("NVML_STUB_GPUS", "A100-SXM4-40GB", 1);

    alarm(HANG_SECONDS);
    pid_t processes[MOST_READERS];
    for (int i = 0; i < readers; i++) {
        processes[i] = fork();
        if (processes[i] == 0)
            read_for_ever();
    }
    nvmlDevice_t gpu = open_gpu();
    double worst = 0;
    unsigned int changes = 0;
    bool failed = false;
    for (double end = now_ms() + seconds * 1e3; now_ms() < end; changes++) {
        nvmlReturn_t activation;
        double begin = now_ms();
        failed = nvmlDeviceSetMigMode(gpu, changes % 2, &activation) != NVML_SUCCESS || failed;
        double took = now_ms() - begin;
        worst = took > worst ? took : worst;
    }
    for (int i = 0; i < readers; i++) {
        int status;
        kill(processes[i], SIGKILL);
        failed = waitpid(processes[i], &status, 0) != processes[i] || !WIFSIGNALED(status) || failed;
    }
    nvmlShutdown();
    unlink(path);
    printf("%d readers, %u changes, the slowest in %.1f ms\n", readers, changes, worst);
    if (!failed && worst <= MOST_MS)
        return 0;
    printf("FAILED: %s\n", failed ? "a call failed" : "a change waits too long");
    return 1;
}
