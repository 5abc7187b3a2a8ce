#include "hardware.h"

#include "machine.h"
#include "state.h"
#include "state_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

/* Measured on an H200: the next question is answered quickly if it comes within 20 us. */
static const uint64_t awake_ns = 20000;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* one call of this process at a time; it guards all below */
static int file = -1;                                     /* what the locks are held in; -1: the machine is private */
static latency_reach held;
static int held_gpu;
static bool idle;
static uint64_t asked_ns[MAX_GPUS]; /* when this process had its last answer from each GPU */

void hardware_lock(latency_reach reach, int gpu)
{
    pthread_mutex_lock(&mutex);
    held = reach;
    held_gpu = gpu >= 0 && gpu < MAX_GPUS ? gpu : -1;
    file = state_duplicate_file();
    if (file >= 0)
        state_file_lock_hardware(file, reach == REACHES_MACHINE ? F_WRLCK : F_RDLCK);
    if (file >= 0 && reach == REACHES_GPU && held_gpu >= 0)
        state_file_lock_gpu(file, F_WRLCK, (unsigned int)held_gpu);
    idle = held_gpu >= 0 && latency_now() - asked_ns[held_gpu] >= awake_ns;
}

bool hardware_is_idle(void)
{
    return idle;
}

void hardware_unlock(void)
{
    if (held_gpu >= 0)
        asked_ns[held_gpu] = latency_now();
    if (file >= 0) {
        if (held == REACHES_GPU && held_gpu >= 0)
            state_file_lock_gpu(file, F_UNLCK, (unsigned int)held_gpu);
        state_file_lock_hardware(file, F_UNLCK);
        close(file);
    }
    pthread_mutex_unlock(&mutex);
}
