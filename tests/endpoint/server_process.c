/* server_process.c - see server_process.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_process.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 24 };

static void become_server(const char *const *arguments, const int input[2], const int output[2]) {
    const char *argv[MAX_ARGUMENTS + 5] = {"python3", CSO_TEST_DATA "/endpoint/endpoint_server.py", "--until-eof"};
    for (size_t i = 0; arguments && arguments[i]; i++)
        argv[i + 3] = arguments[i];
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    for (int file = 3; file < 1024; file++)
        close(file);
    execvp("python3", (char *const *)(uintptr_t)argv);
    _exit(127);
}

void server_process_start(server_process *server, const char *const *arguments) {
    int input[2], output[2], tls = 0;
    size_t count = 0;
    for (; arguments && arguments[count]; count++)
        tls |= !strcmp(arguments[count], "--tls");
    assert_true(count <= MAX_ARGUMENTS);
    assert_int_equal(pipe(input) | pipe(output), 0);
    fflush(NULL);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (!server->pid)
        become_server(arguments, input, output);
    close(input[0]);
    close(output[1]);
    server->input = input[1];
    FILE *port = fdopen(output[0], "r");
    if (!port || fscanf(port, "%d", &server->port) != 1)
        fail_msg("python3 %s/endpoint/endpoint_server.py does not start", CSO_TEST_DATA);
    fclose(port);
    snprintf(server->url, sizeof server->url, "%s://127.0.0.1:%d/v1", tls ? "https" : "http", server->port);
}

void server_process_end(server_process *server) {
    close(server->input);
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
}

/* The body of GET. */
static char *get(const server_process *server, const char *path) {
    char request[64];
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size_t size = 0, room = 1 << 20;
    char *text = malloc(room);
    ssize_t got;
    int file = socket(AF_INET, SOCK_STREAM, 0);
    assert_non_null(text);
    assert_int_equal(connect(file, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(file, request, strlen(request)), strlen(request));
    while (size < room - 1 && (got = read(file, text + size, room - 1 - size)) > 0)
        size += (size_t)got;
    close(file);
    text[size] = '\0';
    char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    memmove(text, body + 4, strlen(body + 4) + 1);
    return text;
}

char *server_process_stats(const server_process *server) {
    return get(server, "/stats");
}

void server_process_reset(const server_process *server) {
    free(get(server, "/reset"));
}

long server_process_stat(const server_process *server, const char *name) {
    char key[64], *text = server_process_stats(server);
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *found = strstr(text, key);
    long number = found ? strtol(found + strlen(key), NULL, 10) : 0;
    free(text);
    return number;
}
