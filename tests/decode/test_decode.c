/* test_decode.c - what decoding computes: against transformers' and the engine's numbers for all families, and the same bits
 * however tokens are cut into steps, batches, pages and threads. */
#include "decode_fixture.h"

#include "decode/kv_tree.h"
#include "engine/engine.h"
#include "kernels/gemm/gemm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void golden_logits(const char *name) {
    cso_safetensors *file = golden_safetensors(golden_path("forward/%s.safetensors", name));
    decode_fixture f = decode_fixture_open(name, 0);
    char key[64];
    size_t s = 0;
    for (; snprintf(key, sizeof key, "s%zu.input_ids", s), golden_has(file, key); s++) {
        size_t count, n;
        double *numbers = golden_doubles(file, key, &count);
        int32_t *ids = calloc(count, sizeof *ids);
        for (size_t i = 0; i < count; i++)
            ids[i] = (int32_t)numbers[i];
        snprintf(key, sizeof key, "s%zu.logits.f64", s);
        double *expected = golden_doubles(file, key, &n), square = 0, worst = 0;
        assert_int_equal(n, count * f.vocab);
        float *logits = fixture_alone_all(&f, NULL, ids, count);
        for (size_t i = 0; i < n; i++) {
            square += expected[i] * expected[i] / (double)n;
            worst = fabs((double)logits[i] - expected[i]) <= worst ? worst : fabs((double)logits[i] - expected[i]);
        }
        print_message("%s, %zu tokens: logits within %.1e\n", name, count, worst);
        assert_true(worst <= 1e-4 * sqrt(square));
        free(numbers);
        free(ids);
        free(expected);
        free(logits);
    }
    assert_true(s > 1);
    decode_fixture_close(&f);
    cso_safetensors_close(file);
}

static void logits_are_those_of_transformers(void **state) {
    (void)state;
    for (size_t i = 0; fixture_models[i]; i++)
        golden_logits(fixture_models[i]);
}

/* The log-probabilities of `cso-eval score`, with products summed in double: its own rounding is of the size of the bound. */
static double *engine_logps(const decode_fixture *f, const cso_adapter *adapter, const int32_t *ids, size_t count) {
    cso_engine *engine;
    cso_error error = {0};
    cso_tree tree;
    cso_sequence sequence = {.ids = ids, .length = count, .score_start = 1};
    double *logps = calloc(count, sizeof *logps);
    assert_true(cso_gemm_use(f->ctx, "plain"));
    golden_ok(cso_engine_create(&engine, f->ctx, f->model, CSO_COMPUTE_F32, (size_t)1 << 30, &error), &error);
    golden_ok(cso_tree_build(&tree, &sequence, 1, &error), &error);
    assert_int_equal(tree.n_edges, count - 1);
    golden_ok(cso_engine_forward(engine, &tree, adapter, false, logps, &error), &error);
    cso_tree_free(&tree);
    cso_engine_free(engine);
    assert_true(cso_gemm_use(f->ctx, NULL));
    return logps;
}

static void logps_are_those_of_scoring(void **state) {
    (void)state;
    enum { COUNT = 333 };
    for (size_t m = 0; fixture_models[m]; m++) {
        decode_fixture f = decode_fixture_open(fixture_models[m], 0);
        int32_t *ids = fixture_ids(&f, COUNT, 5);
        cso_decoder *decoder = fixture_decoder(&f, 0, 0);
        for (int a = 0; a < FIXTURE_ADAPTERS; a++) {
            double *expected = engine_logps(&f, f.adapters[a], ids, COUNT), worst = 0;
            cso_session *session = fixture_session(decoder, f.adapters[a]);
            const float *logits = fixture_feed(session, ids, COUNT, COUNT);
            for (size_t i = 0; i + 1 < COUNT; i++) {
                double difference = fabs(cso_logits_logp(decoder, logits + i * f.vocab, ids[i + 1]) - expected[i]);
                worst = difference <= worst ? worst : difference;
            }
            print_message("%s, adapter %d: log-probabilities within %.1e\n", fixture_models[m], a, worst);
            assert_true(worst <= 1e-5);
            cso_session_drop(session);
            free(expected);
        }
        cso_decoder_free(decoder);
        free(ids);
        decode_fixture_close(&f);
    }
}

/* Feeds ids in chunks of `chunk` and compares every row. */
static void check_chunks(const decode_fixture *f, const float *expected, const int32_t *ids, size_t count, size_t chunk,
                         size_t batch) {
    cso_decoder *decoder = fixture_decoder(f, 0, batch);
    cso_session *session = fixture_session(decoder, f->adapters[1]);
    for (size_t i = 0; i < count; i += chunk) {
        size_t n = count - i < chunk ? count - i : chunk;
        const float *logits = fixture_feed(session, ids + i, n, n);
        assert_memory_equal(logits, expected + i * f->vocab, n * f->vocab * sizeof *logits);
    }
    assert_int_equal(cso_decoder_counts(decoder).computed, count);
    cso_session_drop(session);
    cso_decoder_free(decoder);
}

static void bits_do_not_depend_on_cuts(void **state) {
    (void)state;
    enum { COUNT = 150 };
    for (size_t m = 0; fixture_models[m]; m++) {
        decode_fixture f = decode_fixture_open(fixture_models[m], 1);
        int32_t *ids = fixture_ids(&f, COUNT, 9);
        float *expected = fixture_alone_all(&f, f.adapters[1], ids, COUNT);
        for (size_t chunk = 1; chunk <= 70; chunk++)
            check_chunks(&f, expected, ids, COUNT, chunk, chunk % 3 ? 0 : chunk / 2 + 1);
        for (int threads = 2; threads < 5; threads++) {
            cso_pool_set_threads(f.ctx->pool, threads);
            check_chunks(&f, expected, ids, COUNT, 37, 0);
            check_chunks(&f, expected, ids, COUNT, 1, 0);
        }
        free(expected);
        free(ids);
        decode_fixture_close(&f);
    }
}

/* Beyond one range of attention, where few rows and many are cut into tasks in different ways. */
static void bits_of_long_sequences(void **state) {
    (void)state;
    enum { COUNT = 1100, LEAVES = 20 };
    decode_fixture f = decode_fixture_open("gemma2-tiny", 3);
    int32_t *ids = fixture_ids(&f, COUNT + LEAVES, 3);
    float *expected = fixture_alone_all(&f, NULL, ids, COUNT);
    check_chunks(&(decode_fixture){f.ctx, f.model, {NULL, NULL, NULL}, f.vocab}, expected, ids, COUNT, 433, 0);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    cso_session *root = fixture_session(decoder, NULL), *leaves[LEAVES];
    cso_feed feeds[LEAVES];
    cso_error error = {0};
    fixture_feed(root, ids, COUNT - 1, 0);
    for (int i = 0; i < LEAVES; i++) {
        golden_ok(cso_session_fork(&leaves[i], root, COUNT - 1, &error), &error);
        feeds[i] = (cso_feed){.session = leaves[i], .ids = ids + COUNT - 1 + i, .count = 1, .n_logits = 1};
    }
    golden_ok(cso_decode_step(decoder, feeds, LEAVES, &error), &error);
    assert_memory_equal(feeds[0].logits, expected + (COUNT - 1) * f.vocab, f.vocab * sizeof(float));
    for (int i = 0; i < LEAVES; i++) {
        ids[COUNT - 1] = ids[COUNT - 1 + i];
        float *alone = fixture_alone(&f, NULL, ids, COUNT);
        assert_memory_equal(feeds[i].logits, alone, f.vocab * sizeof(float));
        free(alone);
        cso_session_drop(leaves[i]);
    }
    cso_session_drop(root);
    cso_decoder_free(decoder);
    free(expected);
    free(ids);
    decode_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_transformers),
        cmocka_unit_test(logps_are_those_of_scoring),
        cmocka_unit_test(bits_do_not_depend_on_cuts),
        cmocka_unit_test(bits_of_long_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
