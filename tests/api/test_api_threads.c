/* libcso: users in several threads. One trains while two others, who share a model, score and generate; all get what they get
 * alone. Under ThreadSanitizer run it with CSO_GEMM=plain: it does not see into OpenBLAS. */
#include "api_fixture.h"

#include "base/file.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REPLY = 12, ROUNDS = 3 };

/* What a user computes, and its failures: cmocka's assertions belong to the main thread. */
typedef struct user {
    const api_fixture *fixture;
    size_t threads;
    atomic_bool *training; /* NULL: one round */
    api_scores scores;
    char reply[1024];
    size_t rounds;
    char failure[1100];
} user;

static bool failed(user *u, cso_lm_status status, const cso_lm_error *error) {
    if (status != CSO_LM_OK)
        snprintf(u->failure, sizeof u->failure, "%s", error->message);
    return status != CSO_LM_OK;
}

static bool one_round(user *u, cso_lm_worker *worker, api_scores *scores, char reply[1024]) {
    cso_lm_error error = {0};
    cso_lm_text text = {0};
    const cso_lm_message message = {"user", "I feel lost."};
    const cso_lm_score_options score = {.callback = api_keep_score, .context = scores, .adapter = u->fixture->adapter};
    const cso_lm_generate_options generate = {.adapter = u->fixture->adapter, .max_tokens = REPLY};
    memset(scores, 0, sizeof *scores);
    if (failed(u, cso_lm_score_file(worker, API_PAIRS, &score, &error), &error) ||
        failed(u, cso_lm_reply(worker, &message, 1, &generate, &text, &error), &error))
        return false;
    snprintf(reply, 1024, "%s", text.text);
    cso_lm_text_free(&text);
    return true;
}

static void *use(void *context) {
    user *u = context;
    cso_lm_worker *worker;
    cso_lm_error error = {0};
    api_scores *scores = malloc(sizeof *scores);
    char reply[1024];
    if (failed(u,
               cso_lm_worker_create(&worker, u->fixture->model, &(cso_lm_worker_options){.threads = u->threads, .memory = 1 << 28},
                                    &error),
               &error)) {
        free(scores);
        return NULL;
    }
    if (one_round(u, worker, &u->scores, u->reply))
        u->rounds = 1;
    while (!*u->failure && u->training && (atomic_load(u->training) || u->rounds < ROUNDS)) {
        if (!one_round(u, worker, scores, reply))
            break;
        if (memcmp(scores, &u->scores, sizeof *scores) != 0 || strcmp(reply, u->reply) != 0)
            snprintf(u->failure, sizeof u->failure, "round %zu differs from the first", u->rounds);
        u->rounds++;
    }
    cso_lm_worker_free(worker);
    free(scores);
    return NULL;
}

typedef struct trainer {
    const char *config;
    char override[300];
    atomic_bool *training;
    cso_lm_status status;
    cso_lm_error error;
} trainer;

static void *train(void *context) {
    trainer *t = context;
    const char *const overrides[] = {t->override, "train.threads=2"};
    const cso_lm_train_options options = {.overrides = overrides, .n_overrides = 2};
    t->status = cso_lm_train(t->config, &options, &t->error);
    atomic_store(t->training, false);
    return NULL;
}

static void same_adapters(const char *dir) {
    char path[300], *bytes[2];
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s/adapter/adapter_model.safetensors", dir, i ? "beside" : "alone");
        assert_int_equal(cso_read_file(path, (size_t)1 << 26, &bytes[i], &size[i], NULL), CSO_OK);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    free(bytes[0]);
    free(bytes[1]);
}

static void side_by_side(void **state) {
    (void)state;
    char dir[] = "/tmp/cso-test-api-XXXXXX";
    assert_non_null(mkdtemp(dir));
    api_fixture f;
    atomic_bool training = true;
    api_open(&f);
    user *users = calloc(3, sizeof *users), *alone = users + 2;
    trainer t = {.config = api_config(dir), .training = &training};
    snprintf(t.override, sizeof t.override, "checkpoint.dir=%s/alone", dir);
    train(&t);
    api_ok(t.status, &t.error);
    *alone = (user){.fixture = &f, .threads = 2};
    use(alone);
    assert_string_equal(alone->failure, "");

    pthread_t threads[3];
    atomic_store(&training, true);
    snprintf(t.override, sizeof t.override, "checkpoint.dir=%s/beside", dir);
    assert_int_equal(pthread_create(&threads[2], NULL, train, &t), 0);
    for (size_t i = 0; i < 2; i++) {
        users[i] = (user){.fixture = &f, .threads = i + 1, .training = &training};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);

    api_ok(t.status, &t.error);
    same_adapters(dir);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(users[i].failure, "");
        assert_true(users[i].rounds >= ROUNDS);
        assert_memory_equal(&users[i].scores, &alone->scores, sizeof alone->scores);
        assert_string_equal(users[i].reply, alone->reply);
    }
    free(users);
    api_close(&f);
    assert_int_equal(cso_remove_tree(dir, NULL), CSO_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(side_by_side)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
