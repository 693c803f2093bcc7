/* test_engine_work.c - the arithmetic of engine_work.h against what the engine's products count themselves, and by hand. */
#include "model_fixture.h"

#include "base/profile.h"
#include "engine/engine_work.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MODEL(name) CSO_TEST_DATA "/golden/models/" name
#define PAIRS(name) CSO_TEST_DATA "/golden/pref/" name "/tokenized.json"

static cso_adapter *adapter_of(const cso_model *model, size_t rank, bool all) {
    cso_lora_options options = {.rank = rank, .alpha = 2 * (double)rank};
    cso_adapter *adapter;
    cso_error err = {0};
    for (int m = 0; m < CSO_MODULE_COUNT; m++)
        options.targets[m] = all || m == CSO_Q_PROJ || m == CSO_DOWN_PROJ;
    golden_ok(cso_adapter_create(&adapter, model, &options, 1, &err), &err);
    return adapter;
}

/* The products that both passes make, each of which counts itself. */
static void check_passes(const char *model, const char *pairs_path, size_t memory) {
    fixture f = fixture_open(model, memory);
    fixture_pairs pairs = fixture_read_pairs(pairs_path, 2);
    cso_adapter *adapter = adapter_of(f.model, 4, true);
    cso_tree tree;
    cso_error err = {0};
    cso_profile profile = {0};
    golden_ok(cso_tree_build(&tree, pairs.sequences, 2 * 6, &err), &err);
    double *edges = calloc(tree.n_edges, sizeof *edges);
    float *grads = calloc(adapter->n_params, sizeof *grads);
    double before = cso_engine_flops(f.engine);
    cso_profile_start(&profile);
    golden_ok(cso_engine_forward(f.engine, &tree, adapter, true, edges, &err), &err);
    size_t kept = cso_engine_kept_layers(f.engine);
    golden_ok(cso_engine_backward(f.engine, &tree, adapter, edges, grads, &err), &err);
    cso_profile_stop();
    assert_true(memory ? kept < f.model->hparams.n_layers : kept == f.model->hparams.n_layers);
    cso_pass_work work = cso_engine_work(f.model, &tree, adapter, kept, true);
    assert_true(profile.flops[CSO_PHASE_GEMM] ==
                work.forward.of[CSO_PHASE_GEMM] + work.backward.of[CSO_PHASE_GEMM] + work.again.of[CSO_PHASE_GEMM]);
    assert_true(profile.flops[CSO_PHASE_HEAD] == work.forward.of[CSO_PHASE_HEAD]);
    assert_true(cso_engine_flops(f.engine) - before ==
                cso_work_flops(&work.forward) + (cso_work_flops(&work.backward) + cso_work_flops(&work.again)));
    free(grads);
    free(edges);
    cso_tree_free(&tree);
    cso_adapter_free(adapter);
    fixture_free_pairs(&pairs);
    fixture_close(&f);
}

static void products_count_themselves(void **state) {
    (void)state;
    check_passes(MODEL("llama-tiny"), PAIRS("llama-tiny"), 0);
    check_passes(MODEL("qwen2-tiny"), PAIRS("qwen2-tiny"), 0);
    check_passes(MODEL("gemma2-tiny"), PAIRS("gemma2-tiny"), 0);
}

/* Without memory for any layer all but the last are made again. */
static void layers_made_again(void **state) {
    (void)state;
    check_passes(MODEL("llama-tiny"), PAIRS("llama-tiny"), 1);
}

/* A chain of n tokens that are all nodes but the first, in llama-tiny: 3 layers, hidden 64, 4 heads of 16, 2 key-value heads, ffn
 * 160, vocabulary 1024 (its config.json). */
static void by_hand(void **state) {
    (void)state;
    enum { N = 10, NODES = 9, RANK = 4 };
    static const int32_t ids[N + 1] = {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    fixture f = fixture_open(MODEL("llama-tiny"), 0);
    uint8_t scored[N + 1] = {0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    cso_sequence chain = {.ids = ids, .length = N + 1, .scored = scored};
    cso_tree tree;
    cso_error err = {0};
    golden_ok(cso_tree_build(&tree, &chain, 1, &err), &err);
    assert_int_equal(tree.n_tokens, N);
    assert_int_equal(tree.n_nodes, NODES);
    cso_adapter *adapter = adapter_of(f.model, RANK, false); /* on q and down */
    cso_pass_work work = cso_engine_work(f.model, &tree, adapter, 1, true), base = cso_engine_work(f.model, &tree, NULL, 0, false);
    const double kv = 2 * 64 * 32, others = 64 * 64 * 2 + 3 * 64 * 160, layer = kv + others;
    const double keys = N * (N + 1) / 2.0, last_keys = keys - 1;
    assert_true(work.forward.of[CSO_PHASE_GEMM] == 2 * (2 * N * layer + N * kv + NODES * others));
    assert_true(base.forward.of[CSO_PHASE_GEMM] == work.forward.of[CSO_PHASE_GEMM]);
    assert_true(work.backward.of[CSO_PHASE_GEMM] == 2 * (2 * N * layer + N * kv + NODES * others) - 2 * N * (kv + 64 * 64));
    assert_true(work.again.of[CSO_PHASE_GEMM] == 2 * N * layer);
    assert_true(work.forward.of[CSO_PHASE_ATTENTION] == 4 * 64 * (2 * keys + last_keys));
    assert_true(work.backward.of[CSO_PHASE_ATTENTION] == 10 * 64 * (2 * keys + last_keys));
    assert_true(work.forward.of[CSO_PHASE_LORA] == 2 * (2 * N + NODES) * RANK * (64 + 64 + 160 + 64));
    assert_true(work.backward.of[CSO_PHASE_LORA] == 2 * (2 * N + NODES) * RANK * 2 * (64 + 64 + 160 + 64) - 2 * N * RANK * 64);
    assert_true(work.forward.of[CSO_PHASE_HEAD] == 2 * 2 * NODES * 64 * 1024.0);
    assert_true(base.forward.of[CSO_PHASE_HEAD] == 2 * NODES * 64 * 1024.0);
    assert_true(work.forward.of[CSO_PHASE_DEQUANTIZE] == 3 * layer);
    assert_true(base.forward.of[CSO_PHASE_LORA] == 0 && cso_work_flops(&base.backward) + cso_work_flops(&base.again) == 0);
    cso_adapter_free(adapter);
    cso_tree_free(&tree);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_count_themselves),
        cmocka_unit_test(layers_made_again),
        cmocka_unit_test(by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
