/* asker.h - asks the test server many questions and keeps the answers, for tests of the pool. */
#ifndef CSO_TESTS_ASKER_H
#define CSO_TESTS_ASKER_H

#include "endpoint/endpoint.h"
#include "server_process.h"

enum { ASKER_MAX = 1000, ASKER_SERVICES = 4 };

typedef struct asker {
    cso_endpoint_options options[ASKER_SERVICES];
    const char *names[ASKER_SERVICES];
    size_t services;
    cso_endpoint_pool *pool;
    cso_chat_answer answers[ASKER_MAX]; /* by index; text NULL: not taken */
    size_t order[ASKER_MAX], taken;     /* indexes in the order of taking */
    size_t fail_after;                  /* the taker fails at this answer; 0: never */
    double seconds;                     /* of the last ask */
    cso_error error;
} asker;

/* A service at the server, without key, with short pauses. Returns its options to be changed before asker_open. */
cso_endpoint_options *asker_service(asker *a, const server_process *server, const char *model);
void asker_open(asker *a);
void asker_close(asker *a);

/* Asks `count` questions, "question 0" and so on, the i-th of service i % services. */
cso_status asker_ask(asker *a, size_t count);
/* A new pool with one service, one question, and its end. */
cso_status asker_ask_one(asker *a, const server_process *server, const char *model);

#endif
