/* The floor of a launch: one KV v2 read over a plain socket, a search for the value's bytes, and execve with it in
 * the environment. No parsing, no checks, no TLS, no wiping: this is the least possible work.
 *
 *   floor PORT TOKEN PATH NAME COMMAND...    reads /v1/PATH from 127.0.0.1:PORT and becomes COMMAND
 *   floor --rss COMMAND...                   runs COMMAND and prints its peak resident size in KiB; a small
 *                                            parent, because a child inherits the peak of its parent
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int rss(char **command) {
    pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    struct rusage usage;
    int status;
    wait4(child, &status, 0, &usage);
    printf("%ld\n", usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "--rss") == 0) return rss(argv + 2);
    if (argc < 6) return 64;
    static char buffer[65536], entry[65536];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(stream, (struct sockaddr *)&address, sizeof address)) return 69;
    int length = snprintf(buffer, sizeof buffer, "GET /v1/%s HTTP/1.1\r\nHost: x\r\nX-Vault-Token: %s\r\n\r\n", argv[3], argv[2]);
    if (write(stream, buffer, length) != length) return 69;
    length = read(stream, buffer, sizeof buffer - 1);
    snprintf(entry, sizeof entry, "\"%s\":\"", argv[4]);
    char *value = length > 0 ? strstr(buffer, entry) : NULL;
    if (!value) return 66;
    value += strlen(entry);
    snprintf(entry, sizeof entry, "%s=%.*s", argv[4], (int)strcspn(value, "\""), value);
    putenv(entry);
    execv(argv[5], argv + 5);
    return 127;
}
