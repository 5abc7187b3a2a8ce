/* nvidia-cuda-mps-server: knows its clients, tells them their limits, and takes all of them down by the fault of one. */
#include "mps.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int socket; /* -1: none */
    pid_t pid;
    int id;
} client;

static client clients[MAX_CLIENTS];
static caps now = {.percentage = 100};
static char device[LONGEST_KEY + 1];
static bool is_faulty;
static long started;

static long milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void drop(client *which)
{
    close(which->socket);
    which->socket = -1;
}

static void tell_error(client *which, int error)
{
    char text[32];
    snprintf(text, sizeof(text), "error %d", error);
    message_send(which->socket, text, -1);
}

static void add(pid_t pid, int socket)
{
    static int last_id;
    for (int i = 0; i < MAX_CLIENTS; i++) {
        if (clients[i].socket >= 0)
            continue;
        clients[i] = (client){.socket = socket, .pid = pid, .id = ++last_id};
        const memory_limit *by_index = caps_find_limit(&now, "0"), *by_name = caps_find_limit(&now, device);
        long limit = by_index != NULL ? by_index->mib : 0;
        if (by_name != NULL && (limit == 0 || by_name->mib < limit))
            limit = by_name->mib;
        char text[128];
        snprintf(text, sizeof(text), "caps %g %ld %s", now.percentage, limit, device);
        message_send(socket, text, -1);
        return;
    }
    close(socket); /* too many: the client sees a connection that fails */
}

/* One that faults takes all others down, and the server goes on: measured. */
static void fault(void)
{
    for (int i = 0; i < MAX_CLIENTS; i++)
        if (clients[i].socket >= 0) {
            tell_error(&clients[i], CUDA_ERROR_ILLEGAL_ADDRESS);
            drop(&clients[i]);
        }
}

/*
 * A fault that the server does not get over. NVIDIA's documentation has the state FAULT, until all clients have gone; here it
 * stays for good, since a supervisor must be able to end such a server.
 */
static void break_down(void)
{
    is_faulty = true;
    for (int i = 0; i < MAX_CLIENTS; i++)
        if (clients[i].socket >= 0)
            tell_error(&clients[i], CUDA_ERROR_LAUNCH_FAILED);
}

static int terminate(pid_t pid)
{
    for (int i = 0; i < MAX_CLIENTS; i++)
        if (clients[i].socket >= 0 && clients[i].pid == pid) {
            tell_error(&clients[i], CUDA_ERROR_MPS_CLIENT_TERMINATED);
            drop(&clients[i]);
            return 0;
        }
    return CUDA_ERROR_INVALID_CONTEXT;
}

static void print_row(char *reply, const client *which)
{
    char path[64], name[256] = "", space[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/cmdline", which->pid);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fgets(name, sizeof(name), file) == NULL)
            name[0] = '\0';
        fclose(file);
    }
    snprintf(path, sizeof(path), "/proc/%d/ns/pid", which->pid);
    if (readlink(path, space, sizeof(space) - 1) < 0)
        space[0] = '\0';
    size_t length = strlen(reply);
    snprintf(reply + length, MESSAGE_SIZE - length, "%-10d%-10d%-15d%-26.22s%-15.10s%-15s\n", which->pid, which->id, getpid(),
             device, space[0] != '\0' ? space + strlen("pid:[") : "", name);
}

static void list(char *reply, const char *command)
{
    reply[0] = '\0';
    for (int i = 0; i < MAX_CLIENTS; i++) {
        if (clients[i].socket < 0)
            continue;
        size_t length = strlen(reply);
        if (strcmp(command, "ps") != 0) {
            bool of_device = strcmp(command, "get_device_client_list") == 0;
            snprintf(reply + length, MESSAGE_SIZE - length, "%s%d%s\n",
                     of_device && length == 0 ? "[0] 00:00.0, NVIDIA H200\n" : "", clients[i].pid, of_device ? ".1" : "");
            continue;
        }
        if (length == 0)
            snprintf(reply, MESSAGE_SIZE, "%-10s%-10s%-15s%-26s%-15s%-15s\n", "PID", "ID", "SERVER", "DEVICE", "NAMESPACE",
                     "COMMAND");
        print_row(reply, &clients[i]);
    }
}

/* A server starts for some tenths of a second, in which its caps read as none and clients wait: measured. */
static bool is_starting(void)
{
    const char *text = getenv("MPS_STUB_START_MS");
    return milliseconds() - started < (text != NULL ? atol(text) : START_MS);
}

static void obey(char *request, char reply[MESSAGE_SIZE])
{
    char command[64] = "", first[64] = "", second[64] = "";
    sscanf(request, "%63s %63s %63s", command, first, second);
    reply[0] = '\0';
    if (strcmp(command, "get_server_status") == 0)
        snprintf(reply, MESSAGE_SIZE, "%s\n", is_faulty ? "FAULT" : is_starting() ? "INITIALIZING" : "ACTIVE");
    else if (strcmp(command, "set_active_thread_percentage") == 0 || strcmp(command, "get_active_thread_percentage") == 0) {
        caps_set_percentage(&now, first);
        snprintf(reply, MESSAGE_SIZE, "%.1f\n", now.percentage);
    } else if (strcmp(command, "set_device_pinned_mem_limit") == 0)
        caps_set_limit(&now, first, second);
    else if (strcmp(command, "get_device_pinned_mem_limit") == 0 && is_starting())
        snprintf(reply, MESSAGE_SIZE, "%s", "");
    else if (strcmp(command, "get_device_pinned_mem_limit") == 0)
        limit_text(caps_find_limit(&now, first), reply, MESSAGE_SIZE);
    else if (strcmp(command, "terminate_client") == 0)
        snprintf(reply, MESSAGE_SIZE, "%d\n", terminate(atoi(first)));
    else
        list(reply, command);
}

static bool serve_daemon(int channel)
{
    char request[MESSAGE_SIZE], reply[MESSAGE_SIZE];
    int passed;
    if (!message_receive(channel, request, &passed))
        return false; /* the daemon is gone, and so is its server: measured */
    if (strncmp(request, "client ", 7) == 0) {
        add(atoi(request + 7), passed);
        return true;
    }
    obey(request, reply);
    return message_send(channel, reply, -1);
}

static void serve_client(client *which)
{
    char request[MESSAGE_SIZE];
    if (!message_receive(which->socket, request, NULL))
        drop(which);
    else if (strcmp(request, "fault") == 0)
        fault();
    else
        break_down();
}

int server_main(int channel)
{
    signal(SIGPIPE, SIG_IGN);
    started = milliseconds();
    unsetenv("MPS_STUB_CHANNEL");
    visible_device(device);
    for (int i = 0; i < MAX_CLIENTS; i++)
        clients[i].socket = -1;
    if (!memory_take(device, SERVER_MIB))
        return 1;
    struct pollfd awaited[MAX_CLIENTS + 1];
    while (true) {
        awaited[MAX_CLIENTS] = (struct pollfd){.fd = channel, .events = POLLIN};
        for (int i = 0; i < MAX_CLIENTS; i++)
            awaited[i] = (struct pollfd){.fd = clients[i].socket, .events = POLLIN};
        if (poll(awaited, MAX_CLIENTS + 1, -1) < 0)
            continue;
        for (int i = 0; i < MAX_CLIENTS; i++)
            if (awaited[i].revents != 0 && clients[i].socket == awaited[i].fd)
                serve_client(&clients[i]);
        if (awaited[MAX_CLIENTS].revents != 0 && !serve_daemon(channel))
            return 0;
    }
}
