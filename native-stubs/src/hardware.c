#include "hardware.h"

#include "machine.h"
#include "state.h"
#include "state_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t gpu_mutexes[MAX_GPUS];
static pthread_once_t gpu_mutexes_once = PTHREAD_ONCE_INIT;

static void make_gpu_mutexes(void)
{
    for (unsigned int gpu = 0; gpu < MAX_GPUS; gpu++)
        pthread_mutex_init(&gpu_mutexes[gpu], NULL);
}

/* What each GPU is locked through, under its mutex; -1: the machine is private to this process. */
static int gpu_files[MAX_GPUS];

void hardware_lock(unsigned int gpu)
{
    pthread_once(&gpu_mutexes_once, make_gpu_mutexes);
    pthread_mutex_lock(&gpu_mutexes[gpu]);
    gpu_files[gpu] = state_duplicate_file();
    if (gpu_files[gpu] >= 0)
        state_file_lock_gpu(gpu_files[gpu], F_WRLCK, gpu);
}

void hardware_unlock(unsigned int gpu)
{
    if (gpu_files[gpu] >= 0) {
        state_file_lock_gpu(gpu_files[gpu], F_UNLCK, gpu);
        close(gpu_files[gpu]);
    }
    pthread_mutex_unlock(&gpu_mutexes[gpu]);
}
