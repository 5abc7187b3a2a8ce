/* nvidia-cuda-mps-control: starts the daemon, or passes on the commands of its standard input. */
#include "mps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* One connection for each command: a daemon that takes no more says so at the first that comes too late. */
static int pass_on_commands(void)
{
    char line[1024], reply[MESSAGE_SIZE];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[strspn(line, " \t")] == '\0')
            continue;
        int daemon = daemon_connect();
        if (daemon < 0) {
            printf("Cannot find MPS control daemon process\n");
            return 1;
        }
        if (!message_send(daemon, line, -1) || !message_receive(daemon, reply, NULL)) {
            printf("Cannot send command to MPS control daemon process\n");
            return 1;
        }
        close(daemon);
        fputs(reply, stdout);
        fflush(stdout);
    }
    return 0; /* whatever the commands were: measured */
}

int control_main(int count, char **arguments)
{
    bool background = false, foreground = false, multiuser = false;
    for (int option; (option = getopt(count, arguments, "dfM")) != -1;) {
        background |= option == 'd';
        foreground |= option == 'f';
        multiuser |= option == 'M';
        if (option == '?')
            return 1;
    }
    if (!background && !foreground)
        return pass_on_commands();
    if (foreground)
        return daemon_run(multiuser, -1);

    /* The parent ends when the daemon listens, so that the first command finds it. */
    int ready[2];
    if (pipe(ready) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        setsid(); /* measured: a session of its own, its parent is process 1 */
        return daemon_run(multiuser, ready[1]);
    }
    close(ready[1]);
    char code = 1;
    return child > 0 && read(ready[0], &code, 1) == 1 ? code : 1;
}

int main(int count, char **arguments)
{
    const char *name = strrchr(arguments[0], '/');
    name = name != NULL ? name + 1 : arguments[0];
    char *channel = getenv("MPS_STUB_CHANNEL");
    if (channel != NULL) {
        prctl(PR_SET_NAME, "nvidia-cuda-mps"); /* the first 15 characters, as of any program's name */
        return server_main(atoi(channel));
    }
    if (strcmp(name, "mps-client") == 0)
        return client_main(count, arguments);
    if (strcmp(name, "nvidia-cuda-mps-control") == 0) {
        prctl(PR_SET_NAME, "nvidia-cuda-mps");
        return control_main(count, arguments);
    }
    fprintf(stderr, "Start this as nvidia-cuda-mps-control or mps-client, by links of these names.\n");
    return 2;
}
