/* The control daemon: starts servers, brings clients to them, and obeys commands. One thread, one thing at a time. */
#include "mps.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int connection;
    struct ucred who;
} visitor;

static bool many_users;
static caps defaults = {.percentage = 100};
static struct {
    pid_t pid; /* 0: none */
    int channel;
    uid_t user;
} server;
static visitor waiting[MAX_CLIENTS];
static int waiting_count;
static bool server_leaves; /* it ends when its clients have gone */
static int quitter = -1; /* the connection of the command that waits for the end */
static time_t quit_time; /* when clients are waited for no longer; 0: never */
static FILE *control_log;

static bool ask_server(const char *request, char reply[MESSAGE_SIZE])
{
    return message_send(server.channel, request, -1) && message_receive(server.channel, reply, NULL);
}

static void forget_server(void)
{
    close(server.channel);
    server.pid = 0;
    server_leaves = false;
}

static void notice_dead_server(void)
{
    if (server.pid != 0 && waitpid(server.pid, NULL, WNOHANG) == server.pid)
        forget_server();
}

static void end_server(bool kill_it)
{
    if (server.pid == 0)
        return;
    if (kill_it)
        kill(server.pid, SIGKILL);
    shutdown(server.channel, SHUT_RDWR);
    waitpid(server.pid, NULL, 0);
    forget_server();
}

static bool server_has_clients(void)
{
    char reply[MESSAGE_SIZE];
    return server.pid != 0 && ask_server("get_client_list", reply) && reply[0] != '\0';
}

static bool start_server(uid_t user, gid_t group)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        char channel[16];
        fcntl(pair[1], F_SETFD, 0);
        snprintf(channel, sizeof(channel), "%d", pair[1]);
        setenv("MPS_STUB_CHANNEL", channel, 1);
        if (!many_users && geteuid() == 0 && (setgid(group) != 0 || setuid(user) != 0))
            _exit(1);
        execl("/proc/self/exe", "nvidia-cuda-mps-server", (char *)NULL);
        _exit(1);
    }
    close(pair[1]);
    if (pid < 0)
        return false;
    server.pid = pid;
    server.channel = pair[0];
    server.user = user;
    char request[128], reply[MESSAGE_SIZE];
    snprintf(request, sizeof(request), "set_active_thread_percentage %g", defaults.percentage);
    bool runs = ask_server(request, reply);
    for (int i = 0; i < MAX_LIMITS && runs; i++)
        if (defaults.limits[i].mib > 0) {
            snprintf(request, sizeof(request), "set_device_pinned_mem_limit %s %ldM", defaults.limits[i].device,
                     defaults.limits[i].mib);
            runs = ask_server(request, reply);
        }
    if (!runs)
        end_server(true);
    return runs;
}

static void refuse(int connection)
{
    char text[32];
    snprintf(text, sizeof(text), "error %d", CUDA_ERROR_MPS_CONNECTION_FAILED);
    message_send(connection, text, -1);
    close(connection);
}

/* True when the client has been dealt with; false while a server of another user has clients, and while one starts. */
static bool admit(const visitor *client)
{
    notice_dead_server();
    if (server.pid != 0 && !many_users && server.user != client->who.uid) {
        if (server_has_clients())
            return false;
        end_server(false);
    }
    char reply[MESSAGE_SIZE], request[64];
    int pair[2];
    bool runs = (server.pid != 0 || start_server(client->who.uid, client->who.gid)) && ask_server("get_server_status", reply);
    if (runs && strcmp(reply, "INITIALIZING\n") == 0)
        return false;
    /* NVIDIA's documentation: a server in FAULT takes no new clients. */
    if (!runs || strcmp(reply, "ACTIVE\n") != 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        refuse(client->connection);
        return true;
    }
    snprintf(request, sizeof(request), "client %d", client->who.pid);
    bool sent = message_send(server.channel, request, pair[0]);
    snprintf(request, sizeof(request), "server %d", server.pid);
    if (sent)
        message_send(client->connection, request, pair[1]);
    close(pair[0]);
    close(pair[1]);
    close(client->connection);
    return true;
}

static void admit_waiting(void)
{
    while (waiting_count > 0 && admit(&waiting[0]))
        memmove(waiting, waiting + 1, (size_t)--waiting_count * sizeof(waiting[0]));
}

/* Takes the server's number out of a command: what is left is for the server. */
static void command_for_server(char *command, char *words[], int count, char reply[MESSAGE_SIZE])
{
    char request[256] = "";
    if (count < 2) {
        snprintf(reply, MESSAGE_SIZE, "Invalid command format.\n");
        return;
    }
    if (server.pid == 0 || atoi(words[1]) != server.pid) {
        snprintf(reply, MESSAGE_SIZE, "Server %.20s not found\n", words[1]);
        return;
    }
    snprintf(request, sizeof(request), "%s", command);
    for (int i = 2; i < count; i++) {
        strncat(request, " ", sizeof(request) - strlen(request) - 1);
        strncat(request, words[i], sizeof(request) - strlen(request) - 1);
    }
    if (!ask_server(request, reply))
        reply[0] = '\0';
}

static void set_default(const visitor *ui, char *words[], int count, char reply[MESSAGE_SIZE])
{
    bool is_start = strcmp(words[0], "start_server") == 0, is_limit = strstr(words[0], "mem_limit") != NULL;
    if (ui->who.uid != 0 && ui->who.uid != geteuid())
        snprintf(reply, MESSAGE_SIZE,
                 "Insufficient privileges for UID %u. Control deamon settings can only be modified by the user who started "
                 "it or by the root user.\n",
                 ui->who.uid);
    else if (count < (is_start || is_limit ? 3 : 2))
        snprintf(reply, MESSAGE_SIZE, "Invalid command format.\n");
    else if (is_start) {
        uid_t user = (uid_t)atol(words[2]);
        if (server.pid == 0)
            start_server(user, (gid_t)user);
    } else if (is_limit)
        caps_set_limit(&defaults, words[1], words[2]);
    else {
        caps_set_percentage(&defaults, words[1]);
        snprintf(reply, MESSAGE_SIZE, "%.1f\n", defaults.percentage);
    }
}

/* Without -f the server goes on until its clients have gone, and the command does not wait: measured. */
static void shut_server_down(const visitor *ui, char *words[], int count, char reply[MESSAGE_SIZE])
{
    if (count < 2 || server.pid == 0 || atoi(words[1]) != server.pid)
        snprintf(reply, MESSAGE_SIZE, "Server %.20s not found\n", count < 2 ? "" : words[1]);
    else if (ui->who.uid != 0 && ui->who.uid != geteuid())
        snprintf(reply, MESSAGE_SIZE, "Not enough privilege to execute shutdown_server command\n");
    else if (count > 2 || !server_has_clients())
        end_server(true);
    else
        server_leaves = true;
}

/* False: the answer comes later, to `quitter`. */
static bool quit(const visitor *ui, char *words[], int count, char reply[MESSAGE_SIZE])
{
    if (ui->who.uid != 0 && ui->who.uid != geteuid()) {
        snprintf(reply, MESSAGE_SIZE, "Not enough privilege to execute quit command\n");
        return true;
    }
    quitter = ui->connection;
    quit_time = count > 2 && strcmp(words[1], "-t") == 0 ? time(NULL) + atol(words[2]) : 0;
    return false;
}

/* False: the connection stays open. */
static bool obey(const visitor *ui, char *line, char reply[MESSAGE_SIZE])
{
    char *words[5] = {NULL}, *rest = NULL;
    int count = 0;
    for (char *word = strtok_r(line, " \t\r", &rest); word != NULL && count < 5; word = strtok_r(NULL, " \t\r", &rest))
        words[count++] = word;
    reply[0] = '\0';
    if (count == 0)
        return true;
    notice_dead_server();
    char *command = words[0];
    static const char *const of_server[] = {"get_server_status", "get_client_list", "get_active_thread_percentage",
                                            "set_active_thread_percentage", "get_device_pinned_mem_limit",
                                            "set_device_pinned_mem_limit", "terminate_client"};
    for (size_t i = 0; i < sizeof(of_server) / sizeof(of_server[0]); i++)
        if (strcmp(command, of_server[i]) == 0) {
            command_for_server(command, words, count, reply);
            return true;
        }
    if (strcmp(command, "quit") == 0)
        return quit(ui, words, count, reply);
    if (strcmp(command, "shutdown_server") == 0)
        shut_server_down(ui, words, count, reply);
    else if (strcmp(command, "get_server_list") == 0) {
        if (server.pid != 0)
            snprintf(reply, MESSAGE_SIZE, "%d\n", server.pid);
    } else if (strcmp(command, "ps") == 0 || strcmp(command, "get_device_client_list") == 0) {
        if (server.pid != 0)
            ask_server(command, reply);
        else if (strcmp(command, "ps") == 0)
            snprintf(reply, MESSAGE_SIZE, "Server not found\n");
    } else if (strcmp(command, "get_default_active_thread_percentage") == 0)
        snprintf(reply, MESSAGE_SIZE, "%.1f\n", defaults.percentage);
    else if (strcmp(command, "get_default_device_pinned_mem_limit") == 0) {
        if (count < 2)
            snprintf(reply, MESSAGE_SIZE, "Invalid command format.\n");
        else
            limit_text(caps_find_limit(&defaults, words[1]), reply, MESSAGE_SIZE);
    } else if (strncmp(command, "set_default_", 12) == 0 || strcmp(command, "start_server") == 0)
        set_default(ui, words, count, reply);
    else
        snprintf(reply, MESSAGE_SIZE, "Unknown command \"%.100s\"\n", command);
    return true;
}

static void welcome(int listener)
{
    visitor guest = {.connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC)};
    if (guest.connection < 0)
        return;
    struct timeval patience = {.tv_sec = 1};
    setsockopt(guest.connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    socklen_t size = sizeof(guest.who);
    getsockopt(guest.connection, SOL_SOCKET, SO_PEERCRED, &guest.who, &size);
    char line[MESSAGE_SIZE], reply[MESSAGE_SIZE];
    if (!message_receive(guest.connection, line, NULL)) {
        close(guest.connection);
    } else if (strcmp(line, "CLIENT") == 0) {
        /* While it quits, it refuses clients, and hangs up on commands: measured. */
        if (quitter >= 0 || waiting_count == MAX_CLIENTS)
            refuse(guest.connection);
        else
            waiting[waiting_count++] = guest;
    } else if (quitter >= 0) {
        close(guest.connection);
    } else {
        fprintf(control_log, "Cmd:%s\n", line);
        fflush(control_log);
        if (obey(&guest, line, reply)) {
            message_send(guest.connection, reply, -1);
            close(guest.connection);
        }
    }
}

/* Takes the folder, or says why not. Returns the socket that listens, or -1. */
static int take_folder(void)
{
    char path[512];
    pipe_path(path, sizeof(path), "control_lock");
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0) {
        printf("Cannot create %s: %s\n", path, strerror(errno));
        return -1;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        printf("An instance of this daemon is already running\n");
        return -1;
    }
    fchmod(lock, 0666);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pipe_path(address.sun_path, sizeof(address.sun_path), "control");
    unlink(address.sun_path);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 64) != 0) {
        printf("Cannot listen on %s: %s\n", address.sun_path, strerror(errno));
        return -1;
    }
    chmod(address.sun_path, 0666);
    pipe_path(path, sizeof(path), "log");
    mkfifo(path, 0777);
    chmod(path, 0777);
    pipe_path(path, sizeof(path), "control_privileged");
    close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0755));
    return listener;
}

static FILE *open_log(const char *name)
{
    const char *folder = getenv("CUDA_MPS_LOG_DIRECTORY");
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : "/var/log/nvidia-mps", name);
    return fopen(path, "ae");
}

static void write_pid(void)
{
    char path[512];
    pipe_path(path, sizeof(path), "nvidia-cuda-mps-control.pid");
    FILE *file = fopen(path, "we");
    if (file != NULL) {
        fprintf(file, "%d", getpid());
        fclose(file);
        chmod(path, 0666);
    }
}

int daemon_run(bool multiuser, int ready)
{
    signal(SIGPIPE, SIG_IGN);
    many_users = multiuser;
    char device[LONGEST_KEY + 1];
    if (!visible_device(device)) {
        char code = 100; /* and not a word: measured */
        return ready < 0 || write(ready, &code, 1) == 1 ? code : 1;
    }
    int listener = take_folder();
    control_log = open_log("control.log");
    FILE *server_log = open_log("server.log");
    char code = listener < 0;
    if (code == 0 && (control_log == NULL || server_log == NULL)) {
        printf("Cannot write to the log directory: %s\n", strerror(errno));
        code = 1;
    }
    fflush(stdout);
    if (code == 0)
        write_pid();
    if (ready >= 0) {
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int i = 0; i < 3 && code == 0; i++)
            dup2(nothing, i);
        code = write(ready, &code, 1) == 1 ? code : 1;
        close(ready);
    }
    if (code != 0)
        return code;

    struct pollfd awaited = {.fd = listener, .events = POLLIN};
    while (quitter < 0 || (server_has_clients() && (quit_time == 0 || time(NULL) < quit_time))) {
        bool in_a_while = waiting_count > 0 || quitter >= 0 || server_leaves;
        if (poll(&awaited, 1, in_a_while ? 20 : -1) > 0)
            welcome(listener);
        admit_waiting();
        notice_dead_server();
        if (server_leaves && !server_has_clients())
            end_server(true);
    }

    end_server(false);
    static const char *const gone[] = {"nvidia-cuda-mps-control.pid", "log"}; /* the others stay: measured */
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        pipe_path(path, sizeof(path), gone[i]);
        unlink(path);
    }
    while (waiting_count > 0)
        refuse(waiting[--waiting_count].connection);
    close(listener);
    message_send(quitter, "", -1);
    return 0;
}
