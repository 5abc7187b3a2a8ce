/*
 * mps-client [-u UID] [-s] MIB: a program that uses CUDA. Allocates blocks until it has so much or gets no more, prints what it
 * got, and holds it until its standard input ends. Lines there: "fault" is an illegal access, "break" a fault that the server
 * does not get over. With -s it stays after an error.
 */
#include "mps.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* What a client's context takes of its limit: 514, 271, 182 and 123 MiB with 132, 66, 42 and 26 multiprocessors, measured. */
static long context_mib(int sms)
{
    return (2750 + 369L * sms) / 100;
}

static const char *error_text(int error)
{
    switch (error) {
    case CUDA_ERROR_ILLEGAL_ADDRESS:
        return "an illegal memory access was encountered";
    case CUDA_ERROR_LAUNCH_FAILED:
        return "unspecified launch failure";
    case CUDA_ERROR_MPS_RPC_FAILURE:
        return "the remote procedural call between the MPS server and the MPS client failed";
    case CUDA_ERROR_MPS_CLIENT_TERMINATED:
        return "the MPS client has been terminated by the server";
    default:
        return "an error";
    }
}

typedef struct {
    int socket; /* -1: without MPS */
    int server;
    double percentage;
    long limit; /* MiB; 0: none */
    char device[LONGEST_KEY + 1];
} session;

/*
 * As the driver does: no daemon, or none in a folder that this user may enter, is no error. The program runs without MPS, without
 * limits, and nobody is told: measured.
 */
static int open_session(session *opened)
{
    char text[MESSAGE_SIZE];
    *opened = (session){.socket = -1, .percentage = 100};
    visible_device(opened->device);
    int daemon = daemon_connect();
    if (daemon < 0)
        return 0;
    if (!message_send(daemon, "CLIENT", -1) || !message_receive(daemon, text, &opened->socket) ||
        sscanf(text, "server %d", &opened->server) != 1 || !message_receive(opened->socket, text, NULL) ||
        sscanf(text, "caps %lf %ld %63s", &opened->percentage, &opened->limit, opened->device) != 3)
        return CUDA_ERROR_MPS_CONNECTION_FAILED;
    close(daemon);

    /* Of the server's and the client's own limit the lower one holds. */
    caps own = {.percentage = opened->percentage};
    const char *percentage = getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
    if (percentage != NULL)
        caps_set_percentage(&own, percentage);
    if (own.percentage < opened->percentage)
        opened->percentage = own.percentage;
    const char *limits = getenv("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT");
    for (const char *at = limits; at != NULL && *at != '\0'; at += strcspn(at, ","), at += *at == ',') {
        char device[LONGEST_KEY + 1], size[32];
        if (sscanf(at, "%63[^=,]=%31[^,]", device, size) != 2 ||
            (strcmp(device, "0") != 0 && strcasecmp(device, opened->device) != 0))
            continue;
        long mib = parse_mib(size);
        if (mib > 0 && (opened->limit == 0 || mib < opened->limit))
            opened->limit = mib;
    }
    return 0;
}

/* Until standard input ends (0) or an error comes. */
static int hold(const session *in)
{
    while (true) {
        struct pollfd awaited[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = in->socket, .events = POLLIN}};
        if (poll(awaited, 2, -1) < 0)
            continue;
        int error = CUDA_ERROR_MPS_RPC_FAILURE;
        char text[MESSAGE_SIZE];
        if (awaited[1].revents != 0) {
            if (message_receive(in->socket, text, NULL))
                sscanf(text, "error %d", &error);
            return error;
        }
        if (awaited[0].revents == 0)
            continue;
        ssize_t length = read(STDIN_FILENO, text, sizeof(text) - 1);
        if (length <= 0)
            return 0;
        text[length] = '\0';
        text[strcspn(text, "\n")] = '\0';
        if (in->socket < 0)
            return CUDA_ERROR_ILLEGAL_ADDRESS;
        message_send(in->socket, text, -1);
    }
}

int client_main(int count, char **arguments)
{
    bool stays = false;
    for (int option; (option = getopt(count, arguments, "u:s")) != -1;) {
        stays |= option == 's';
        if (option == 'u' && (setgid((gid_t)atol(optarg)) != 0 || setuid((uid_t)atol(optarg)) != 0)) {
            perror("setuid");
            return 2;
        }
    }
    long want = optind < count ? atol(arguments[optind]) : 0;
    session in;
    int error = open_session(&in);
    if (error != 0) {
        printf("init %d\n", error);
        return 9;
    }
    const char *sms = getenv("MPS_STUB_SMS");
    int all = sms != NULL ? atoi(sms) : DEFAULT_SMS;
    int seen = in.percentage < 100 ? (int)(all * in.percentage / 100) / 2 * 2 : all; /* in pairs: 25 of 132 are 32 */
    long context = context_mib(seen), room = memory_free(in.device);
    if (in.limit > 0 && in.limit < room)
        room = in.limit;
    if (room < context || !memory_take(in.device, context)) {
        printf("context %d\n", CUDA_ERROR_OUT_OF_MEMORY);
        return 8;
    }
    long got = 0;
    while (got < want && (in.limit == 0 || context + got + BLOCK_MIB <= in.limit) && memory_take(in.device, BLOCK_MIB))
        got += BLOCK_MIB;
    printf("pid %d sm %d free %ld total %ld got %ld error %d server %d\n", getpid(), seen, room - context, memory_total(), got,
           got < want ? CUDA_ERROR_OUT_OF_MEMORY : 0, in.server);
    fflush(stdout);
    error = hold(&in);
    if (error == 0)
        return 0;
    printf("error %d %s\n", error, error_text(error));
    fflush(stdout);
    char line[64];
    while (stays && fgets(line, sizeof(line), stdin) != NULL)
        continue;
    return 7;
}
