/* The clients of a GPU, and the changes that they prevent. */
#ifndef STUB_CLIENTS_H
#define STUB_CLIENTS_H

#include "machine.h"

#include <stdbool.h>

/* Whether anyone has the GPU open: processes on it or its MIG devices, or a client that shows in no list. */
bool is_gpu_in_use(const gpu_state *gpu);

/* Whether a process uses the GPU as a whole: then it cannot get its first instance. */
bool is_whole_gpu_in_use(const gpu_state *gpu);

/* Whether an instance cannot be destroyed; compute_instance -1: the GPU instance. */
bool is_instance_in_use(const gpu_state *gpu, unsigned int gpu_instance, int compute_instance);

/* Whether a process runs on a GPU, or in a GPU instance of it; -1: the whole GPU. */
bool is_busy(const gpu_state *gpu, int gpu_instance);

/* A client that shows in no list of processes, such as DCGM. */
bool client_is_hidden(const client_state *client);

unsigned int client_pid(const client_state *client);
unsigned int client_memory_mib(const client_state *client);

/* MiB that clients use on a GPU, or in a GPU instance of it; -1: the whole GPU. */
unsigned long long client_memory(const gpu_state *gpu, int gpu_instance);

#endif
