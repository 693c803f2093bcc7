/* asker.c - see asker.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "asker.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cso_endpoint_options *asker_service(asker *a, const server_process *server, const char *model) {
    static const char *const names[ASKER_SERVICES] = {"role.judge", "role.seeker", "role.supporter", "role.strategy"};
    assert_true(a->services < ASKER_SERVICES);
    a->names[a->services] = names[a->services];
    cso_endpoint_options *options = &a->options[a->services++];
    *options = (cso_endpoint_options){.endpoint = (char *)(uintptr_t)server->url,
                                      .model = (char *)(uintptr_t)model,
                                      .api_key_env = (char *)(uintptr_t) "",
                                      .temperature = 0.5,
                                      .max_tokens = 64,
                                      .max_retries = 5,
                                      .retry_seconds = 0.01,
                                      .timeout_seconds = 20,
                                      .max_parallel = 16,
                                      .price_in = 1,
                                      .price_out = 2};
    return options;
}

void asker_open(asker *a) {
    if (cso_endpoint_pool_open(&a->pool, a->options, a->names, a->services, &a->error) != CSO_OK)
        fail_msg("%s", a->error.message);
}

static void forget_answers(asker *a) {
    for (size_t i = 0; i < ASKER_MAX; i++) {
        free(a->answers[i].text);
        a->answers[i] = (cso_chat_answer){0};
    }
    a->taken = 0;
}

void asker_close(asker *a) {
    cso_endpoint_pool_close(a->pool);
    forget_answers(a);
    a->pool = NULL;
}

static cso_status take(void *context, size_t index, cso_chat_answer *answer, cso_error *err) {
    asker *a = context;
    assert_true(index < ASKER_MAX);
    assert_null(a->answers[index].text); /* once */
    a->answers[index] = *answer;
    a->order[a->taken++] = index;
    return a->fail_after && a->taken >= a->fail_after ? cso_fail(err, CSO_ERR_INPUT, "the taker had enough") : CSO_OK;
}

cso_status asker_ask(asker *a, size_t count) {
    static cso_chat_question questions[ASKER_MAX];
    static char texts[ASKER_MAX][32];
    assert_true(count <= ASKER_MAX);
    forget_answers(a);
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "question %zu", i);
        questions[i] = (cso_chat_question){.service = i % a->services, .system = i % 2 ? "Answer." : "", .user = texts[i]};
    }
    double start = cso_clock();
    a->error = (cso_error){0};
    cso_status status = cso_endpoint_ask(a->pool, questions, count, take, a, &a->error);
    a->seconds = cso_clock() - start;
    return status;
}

cso_status asker_ask_one(asker *a, const server_process *server, const char *model) {
    memset(a, 0, sizeof *a);
    asker_service(a, server, model)->max_retries = 1;
    asker_open(a);
    cso_status status = asker_ask(a, 1);
    asker_close(a);
    return status;
}
