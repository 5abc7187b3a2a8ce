/*
 * The stand-in for CUDA's Multi-Process Service: what its programs know of each other. One binary, mps-stub, is the control
 * program and daemon, the server and a client, by the name under which it is started. README.md says what was measured.
 */
#ifndef MPS_STUB_H
#define MPS_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    SERVER_MIB = 66, /* measured on an H200 */
    START_MS = 30,   /* some 300 on an H200 */
    DEFAULT_MEMORY_MIB = 143155,
    DEFAULT_SMS = 132,
    BLOCK_MIB = 64,

    MESSAGE_SIZE = 16384,
    MAX_CLIENTS = 60, /* 50 were seen beside each other on an H100 */
    MAX_LIMITS = 16,
    LONGEST_KEY = 63,
};

/* CUDA's error codes, as its clients see them. */
enum {
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_INVALID_CONTEXT = 201,
    CUDA_ERROR_ILLEGAL_ADDRESS = 700,
    CUDA_ERROR_LAUNCH_FAILED = 719,
    CUDA_ERROR_MPS_CONNECTION_FAILED = 805,
    CUDA_ERROR_MPS_RPC_FAILURE = 806,
    CUDA_ERROR_MPS_CLIENT_TERMINATED = 810,
};

/* A limit of device memory, by what names the device: its index, or a UUID. The two are kept apart: measured. */
typedef struct {
    char device[LONGEST_KEY + 1];
    long mib;
} memory_limit;

typedef struct {
    double percentage;
    memory_limit limits[MAX_LIMITS];
} caps;

/* Sets and reads limits in the words of the commands. A size that makes no sense takes the limit away, silently: measured. */
void caps_set_percentage(caps *of, const char *text);
void caps_set_limit(caps *of, const char *device, const char *size);
const memory_limit *caps_find_limit(const caps *of, const char *device);
/* Whole GiB as "2G", also where it is 2500 MiB: measured. Below that MiB. Nothing where there is no limit. */
void limit_text(const memory_limit *limit, char *text, size_t size);
/* "2G", "1500M", "1048576K" or bytes, in MiB; 0 where it makes no sense. */
long parse_mib(const char *text);

/* Messages between the programs: whole packets, with a file descriptor where one is passed on. False at the end. */
bool message_send(int socket, const char *text, int descriptor);
bool message_receive(int socket, char text[MESSAGE_SIZE], int *descriptor);
/* The folder of CUDA_MPS_PIPE_DIRECTORY, and a file in it. */
const char *pipe_folder(void);
void pipe_path(char *path, size_t size, const char *name);
/* Connects to the daemon; -1 where there is none, or none that may be reached. */
int daemon_connect(void);

/* A UUID of a GPU or of a MIG device out of CUDA_VISIBLE_DEVICES; a name for the first GPU where it has none. False: nonsense. */
bool visible_device(char device[LONGEST_KEY + 1]);

/* The memory of a device, shared by all processes on it. Each holds its part until it ends. */
long memory_total(void);
bool memory_take(const char *device, long mib);
long memory_free(const char *device);

int control_main(int count, char **arguments);
/* Runs the daemon. Writes its exit code to `ready` once it listens or has failed; -1: stays with its terminal. */
int daemon_run(bool multiuser, int ready);
int server_main(int channel);
int client_main(int count, char **arguments);

#endif
