/* server_process.h - starts tests/endpoint/endpoint_server.py for a test, and ends it. */
#ifndef CSO_TESTS_SERVER_PROCESS_H
#define CSO_TESTS_SERVER_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

typedef struct server_process {
    pid_t pid;
    int input;    /* the server ends when this closes, also by the test's death */
    int port;     /* on 127.0.0.1 */
    char url[64]; /* "http://127.0.0.1:PORT/v1"; https with --tls */
} server_process;

/* arguments: further options, NULL at the end; at most 24. Fails the test if the server does not start. */
void server_process_start(server_process *server, const char *const *arguments);
void server_process_end(server_process *server);

/* A number of GET /stats, for example "most_at_once" or "429-1"; 0 if there is none. Not for servers with --tls. */
long server_process_stat(const server_process *server, const char *name);
void server_process_reset(const server_process *server); /* all counts to 0, no request seen */
/* All of it, a JSON text; free(). */
char *server_process_stats(const server_process *server);

#endif
