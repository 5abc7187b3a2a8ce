#include "mps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void caps_set_percentage(caps *of, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end != text && value > 0 && value <= 100) /* else it stays as it was: measured with 0 and 130 */
        of->percentage = value;
}

long parse_mib(const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || value <= 0)
        return 0;
    switch (*end) {
    case 'G':
    case 'g':
        return (long)(value * 1024);
    case 'M':
    case 'm':
        return (long)value;
    case 'K':
    case 'k':
        return (long)(value / 1024);
    default:
        return (long)(value >> 20);
    }
}

void caps_set_limit(caps *of, const char *device, const char *size)
{
    memory_limit *place = NULL;
    for (int i = MAX_LIMITS - 1; i >= 0; i--)
        if (of->limits[i].mib == 0 || strcasecmp(of->limits[i].device, device) == 0)
            place = &of->limits[i];
    for (int i = 0; i < MAX_LIMITS; i++)
        if (of->limits[i].mib > 0 && strcasecmp(of->limits[i].device, device) == 0)
            place = &of->limits[i];
    if (place == NULL)
        return;
    snprintf(place->device, sizeof(place->device), "%s", device);
    place->mib = parse_mib(size);
}

const memory_limit *caps_find_limit(const caps *of, const char *device)
{
    for (int i = 0; i < MAX_LIMITS; i++)
        if (of->limits[i].mib > 0 && strcasecmp(of->limits[i].device, device) == 0)
            return &of->limits[i];
    return NULL;
}

void limit_text(const memory_limit *limit, char *text, size_t size)
{
    if (limit == NULL)
        text[0] = '\0';
    else if (limit->mib >= 1024)
        snprintf(text, size, "%ldG\n", limit->mib / 1024);
    else
        snprintf(text, size, "%ldM\n", limit->mib);
}

/* The first byte only keeps a packet from being empty, which would look like the end of the connection. */
bool message_send(int socket, const char *text, int descriptor)
{
    char packet[MESSAGE_SIZE + 1] = ":";
    size_t length = strlen(text);
    memcpy(packet + 1, text, length);
    struct iovec part = {.iov_base = packet, .iov_len = length + 1};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.room);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) > 0;
}

bool message_receive(int socket, char text[MESSAGE_SIZE], int *descriptor)
{
    char packet[MESSAGE_SIZE];
    struct iovec part = {.iov_base = packet, .iov_len = sizeof(packet)};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message;
    ssize_t length = 0;
    /*
     * Linux 6.18 looks for a packet, then for the end: if both come in between, it says the end. A second look finds the packet:
     * measured, in 10 of 246,000 cases while a thread kept interrupting the receiver.
     */
    for (int look = 0; look < 2 && length == 0; look++)
        do {
            message = (struct msghdr){
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};
            length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        } while (length < 0 && errno == EINTR);
    if (length <= 0)
        return false;
    memcpy(text, packet + 1, (size_t)length - 1);
    text[length - 1] = '\0';
    int received = -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS)
        memcpy(&received, CMSG_DATA(header), sizeof(int));
    if (descriptor != NULL)
        *descriptor = received;
    else if (received >= 0)
        close(received);
    return true;
}

const char *pipe_folder(void)
{
    const char *folder = getenv("CUDA_MPS_PIPE_DIRECTORY");
    return folder != NULL && folder[0] != '\0' ? folder : "/tmp/nvidia-mps";
}

void pipe_path(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", pipe_folder(), name);
}

int daemon_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pipe_path(address.sun_path, sizeof(address.sun_path), "control");
    int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connection >= 0 && connect(connection, (struct sockaddr *)&address, sizeof(address)) == 0)
        return connection;
    if (connection >= 0)
        close(connection);
    return -1;
}

bool visible_device(char device[LONGEST_KEY + 1])
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    bool is_uuid = visible != NULL && (strncmp(visible, "GPU-", 4) == 0 || strncmp(visible, "MIG-", 4) == 0);
    bool is_known = is_uuid || visible == NULL || (visible[0] >= '0' && visible[0] <= '9');
    if (!is_uuid)
        visible = "GPU-00000000-0000-0000-0000-000000000000";
    snprintf(device, LONGEST_KEY + 1, "%.*s", (int)strcspn(visible, ","), visible);
    return is_known;
}

long memory_total(void)
{
    const char *memory = getenv("MPS_STUB_MEMORY_MIB");
    return memory != NULL ? atol(memory) : DEFAULT_MEMORY_MIB;
}

/*
 * A file for each process on the device, with the MiB that it has. Its lock says that the process lives: a number alone would
 * come again. The folder's lock is held by whoever counts.
 */
static int device_open(const char *device, char *folder, size_t size)
{
    const char *devices = getenv("MPS_STUB_DEVICES");
    if (devices == NULL)
        devices = "/tmp/mps-stub-devices";
    mode_t mask = umask(0); /* all users' from the first moment */
    mkdir(devices, 01777);
    snprintf(folder, size, "%s/%s", devices, device);
    mkdir(folder, 0777);
    umask(mask);
    int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        perror(folder);
        exit(EXIT_FAILURE);
    }
    return lock;
}

static long memory_used(int folder)
{
    DIR *entries = fdopendir(dup(folder));
    rewinddir(entries);
    char own[16];
    snprintf(own, sizeof(own), "%d", getpid());
    long used = 0;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        int file = entry->d_name[0] == '.' ? -1 : openat(folder, entry->d_name, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            continue;
        char text[32] = "";
        if (strcmp(entry->d_name, own) != 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
            unlinkat(folder, entry->d_name, 0);
        else if (read(file, text, sizeof(text) - 1) > 0)
            used += atol(text);
        close(file);
    }
    closedir(entries);
    return used;
}

long memory_free(const char *device)
{
    char folder[512];
    int lock = device_open(device, folder, sizeof(folder));
    long used = memory_used(lock);
    close(lock);
    return memory_total() > used ? memory_total() - used : 0;
}

bool memory_take(const char *device, long mib)
{
    static int file = -1;
    static long taken;
    char folder[512], name[16], text[32];
    int lock = device_open(device, folder, sizeof(folder));
    bool fits = memory_used(lock) + mib <= memory_total();
    if (fits) {
        snprintf(name, sizeof(name), "%d", getpid());
        if (file < 0) {
            unlinkat(lock, name, 0);
            file = openat(lock, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
            fchmod(file, 0644); /* all users count, whatever the umask */
            flock(file, LOCK_EX);
        }
        taken += mib;
        int length = snprintf(text, sizeof(text), "%ld", taken);
        fits = pwrite(file, text, (size_t)length + 1, 0) > 0;
    }
    close(lock);
    return fits;
}
