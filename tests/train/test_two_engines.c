/* test_two_engines.c - two engines in two threads of one program, each with a context of its own and an adapter that it trains,
 * over one model: they get the bits that they get one after the other. scripts/test_threads.sh runs this under
 * ThreadSanitizer. */
#include "../engine/model_fixture.h"

#include "base/profile.h"
#include "decode/generate.h"
#include "kernels/context.h"
#include "kernels/gemm/gemm.h"
#include "train/optim.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 3, REPLY = 12, USERS = 2 };

/* What a user does, and what comes of it. */
typedef struct user {
    const cso_model *model; /* both users' */
    const char *adapter;
    const char *kernels, *library; /* NULL: this processor's */
    const fixture_pairs *pairs;
    size_t first_pair, n_pairs; /* the user's part of them */
    int threads;
    uint64_t seed;
    pthread_barrier_t *start; /* NULL: at once */

    cso_status status;
    cso_error err;
    double losses[STEPS];
    float *params;
    size_t n_params;
    cso_ids reply;
    size_t spans; /* of the user's profile */
} user;

/* A user's things while it works. */
typedef struct workshop {
    cso_context *ctx;
    cso_engine *engine;
    cso_decoder *decoder;
    cso_adapter *adapter;
    cso_tree tree;
    cso_adamw adamw;
    float *grads;
    double *edges, *weights, *policy, *reference, *d;
} workshop;

static void *zeros(size_t n, size_t size) {
    void *memory = calloc(n + 1, size);
    if (!memory)
        abort();
    return memory;
}

/* cmocka's own functions belong to the main thread, so nothing here asserts. */
static cso_status open_workshop(workshop *s, const user *u, cso_error *err) {
    CSO_TRY(cso_context_create(&s->ctx, u->threads, err));
    if (u->kernels)
        s->ctx->kernels = cso_kernels_choose(u->kernels);
    if (u->library && !cso_gemm_use(s->ctx, u->library))
        return cso_fail(err, CSO_ERR_INTERNAL, "no library %s", u->library);
    CSO_TRY(cso_adapter_read(&s->adapter, u->model, u->adapter, err));
    s->adapter->options.dropout = 0.1;
    CSO_TRY(cso_engine_create(&s->engine, s->ctx, u->model, CSO_COMPUTE_F32, (size_t)1 << 30, err));
    CSO_TRY(cso_tree_build(&s->tree, u->pairs->sequences + 2 * u->first_pair, 2 * u->n_pairs, err));
    const cso_trainables trained = cso_adapter_trainables(s->adapter);
    CSO_TRY(cso_adamw_create(&s->adamw, &trained, 0.9, 0.999, 1e-8, 0.01, err));
    s->grads = zeros(s->adapter->n_params, sizeof *s->grads);
    s->edges = zeros(s->tree.n_edges, sizeof *s->edges);
    s->weights = zeros(s->tree.n_edges, sizeof *s->weights);
    s->policy = zeros(2 * u->n_pairs, sizeof *s->policy);
    s->reference = zeros(2 * u->n_pairs, sizeof *s->reference);
    s->d = zeros(2 * u->n_pairs, sizeof *s->d);
    return CSO_OK;
}

static void close_workshop(workshop *s) {
    free(s->grads);
    free(s->edges);
    free(s->weights);
    free(s->policy);
    free(s->reference);
    free(s->d);
    cso_adamw_free(&s->adamw);
    cso_tree_free(&s->tree);
    cso_decoder_free(s->decoder);
    cso_engine_free(s->engine);
    cso_adapter_free(s->adapter);
    cso_context_free(s->ctx);
}

static cso_status train_step(workshop *s, user *u, size_t step, cso_error *err) {
    memset(s->grads, 0, s->adapter->n_params * sizeof *s->grads);
    cso_engine_set_step(s->engine, u->seed, step);
    CSO_TRY(cso_engine_forward(s->engine, &s->tree, NULL, false, s->edges, err));
    cso_tree_sequence_logps(&s->tree, s->edges, s->reference);
    CSO_TRY(cso_engine_forward(s->engine, &s->tree, s->adapter, true, s->edges, err));
    cso_tree_sequence_logps(&s->tree, s->edges, s->policy);
    u->losses[step] = fixture_dpo(u->n_pairs, s->policy, s->reference, 0.1, s->d);
    cso_tree_edge_weights(&s->tree, s->d, s->weights);
    CSO_TRY(cso_engine_backward(s->engine, &s->tree, s->adapter, s->weights, s->grads, err));
    double norm = cso_grad_norm(s->grads, s->adamw.n);
    if (cso_adamw_overflow(&s->adamw, s->ctx, s->grads, 1 / (norm + 1), 1e-2) != s->adamw.n)
        return cso_fail(err, CSO_ERR_NUMERIC, "step %zu: the update overflows", step);
    cso_adamw_step(&s->adamw, s->ctx, s->grads, 1 / (norm + 1), 1e-2);
    return CSO_OK;
}

/* The one request of a user. */
typedef struct user_request {
    cso_request request;
    bool begun;
    cso_ids *reply;
} user_request;

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    (void)err;
    user_request *r = context;
    *request = r->begun ? NULL : &r->request;
    r->begun = true;
    return CSO_OK;
}

static cso_status take_reply(void *context, const cso_reply *reply, cso_error *err) {
    return cso_ids_add(((user_request *)context)->reply, reply->ids, reply->n_ids, err);
}

static cso_status work_in(workshop *s, user *u, cso_error *err) {
    cso_profile profile = {0};
    CSO_TRY(open_workshop(s, u, err));
    if (u->start)
        pthread_barrier_wait(u->start);
    for (size_t step = 0; step < STEPS; step++) {
        cso_profile_start(&profile);
        CSO_TRY(train_step(s, u, step, err));
        cso_profile_stop();
    }
    u->spans = profile.spans;
    u->n_params = s->adapter->n_params;
    u->params = zeros(u->n_params, sizeof *u->params);
    memcpy(u->params, s->adapter->params, u->n_params * sizeof *u->params);
    const cso_sequence *sequence = &u->pairs->sequences[2 * u->first_pair];
    user_request r = {
        .request = {.adapter = s->adapter, .prompt = sequence->ids, .n_prompt = sequence->score_start, .max_tokens = REPLY},
        .reply = &u->reply};
    const cso_generate_options options = {.context = &r, .next = next_request, .finished = take_reply};
    const cso_decoder_options decoding = {.memory = (size_t)1 << 28};
    CSO_TRY(cso_decoder_create(&s->decoder, s->ctx, u->model, &decoding, err));
    return cso_generate(s->decoder, &options, err);
}

static void *work(void *context) {
    user *u = context;
    workshop s = {0};
    u->status = work_in(&s, u, &u->err);
    close_workshop(&s);
    return NULL;
}

static void forget(user *u) {
    free(u->params);
    free(u->reply.ids);
    u->params = NULL;
    u->reply = (cso_ids){0};
}

static void expect_same(const user *alone, const user *together) {
    golden_ok(alone->status, &alone->err);
    golden_ok(together->status, &together->err);
    assert_int_equal(alone->spans, STEPS);
    assert_int_equal(together->spans, STEPS);
    assert_memory_equal(alone->losses, together->losses, sizeof alone->losses);
    assert_int_equal(alone->n_params, together->n_params);
    assert_memory_equal(alone->params, together->params, alone->n_params * sizeof *alone->params);
    assert_int_equal(alone->reply.count, REPLY);
    assert_int_equal(together->reply.count, REPLY);
    assert_memory_equal(alone->reply.ids, together->reply.ids, REPLY * sizeof *alone->reply.ids);
}

/* Runs the users at once, then one after the other. */
static void check(const user *users) {
    user alone[USERS], together[USERS];
    pthread_t threads[USERS];
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, USERS), 0);
    for (int i = 0; i < USERS; i++) {
        alone[i] = together[i] = users[i];
        together[i].start = &start;
    }
    for (int i = 0; i < USERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &together[i]), 0);
    for (int i = 0; i < USERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < USERS; i++) {
        work(&alone[i]);
        expect_same(&alone[i], &together[i]);
    }
    assert_memory_not_equal(alone[0].params, alone[1].params, alone[0].n_params * sizeof *alone[0].params);
    for (int i = 0; i < USERS; i++) {
        forget(&alone[i]);
        forget(&together[i]);
    }
    pthread_barrier_destroy(&start);
}

typedef struct scene {
    cso_model *model;
    fixture_pairs pairs;
    user users[USERS];
} scene;

static void scene_open(scene *s, int threads) {
    cso_error err = {0};
    *s = (scene){0};
    golden_ok(cso_model_open(&s->model, golden_path("models/llama-tiny"), &err), &err);
    s->pairs = fixture_read_pairs(golden_path("pref/llama-tiny/tokenized.json"), 2);
    for (size_t i = 0; i < USERS; i++)
        s->users[i] = (user){.model = s->model,
                             .adapter = golden_path("adapters/llama-tiny/%s", i ? "r4-rslora" : "r4"),
                             .pairs = &s->pairs,
                             .first_pair = 3 * i,
                             .n_pairs = 2 + i,
                             .threads = threads,
                             .seed = 7 + i};
}

static void scene_close(scene *s) {
    fixture_free_pairs(&s->pairs);
    cso_model_free(s->model);
}

static void one_thread_each(void **state) {
    (void)state;
    scene s;
    scene_open(&s, 1);
    check(s.users);
    scene_close(&s);
}

static void two_threads_each(void **state) {
    (void)state;
    scene s;
    scene_open(&s, 2);
    check(s.users);
    scene_close(&s);
}

/* What one user chose is not what the other computes with. */
static void each_with_its_own_choice(void **state) {
    (void)state;
    scene s;
    scene_open(&s, 1);
    s.users[0].kernels = "ref";
    s.users[0].library = "plain";
    s.users[1].threads = 3;
    check(s.users);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_each),
        cmocka_unit_test(two_threads_each),
        cmocka_unit_test(each_with_its_own_choice),
    };
    return cmocka_run_group_tests_name("two engines", tests, NULL, NULL);
}
