/* LoRA gradients of the DPO loss against TRL's, the equality of packings, and central differences through the whole model. */
#include "model_fixture.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const families[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};

/* One whole step without an update: loss and gradients over all pairs of the fixture. */
static double step(fixture *f, const cso_tree *tree, const cso_adapter *adapter, size_t n_pairs, float *grads) {
    cso_error error = {0};
    double *edges = calloc(tree->n_edges, sizeof *edges), *weights = calloc(tree->n_edges, sizeof *weights);
    double *policy = calloc(2 * n_pairs, sizeof *policy), *reference = calloc(2 * n_pairs, sizeof *reference);
    double *d = calloc(2 * n_pairs, sizeof *d);
    golden_ok(cso_engine_forward(f->engine, tree, NULL, false, edges, &error), &error);
    cso_tree_sequence_logps(tree, edges, reference);
    golden_ok(cso_engine_forward(f->engine, tree, adapter, true, edges, &error), &error);
    cso_tree_sequence_logps(tree, edges, policy);
    double loss = fixture_dpo(n_pairs, policy, reference, 0.1, d);
    cso_tree_edge_weights(tree, d, weights);
    golden_ok(cso_engine_backward(f->engine, tree, adapter, weights, grads, &error), &error);
    free(edges);
    free(weights);
    free(policy);
    free(reference);
    free(d);
    return loss;
}

static void check_against_trl(const char *name, const char *adapter_name) {
    const char *model = golden_path("models/%s", name), *folder = golden_path("adapters/%s/%s", name, adapter_name);
    const char *tokenized = golden_path("pref/%s/tokenized.json", name), *pref = golden_path("pref/%s/pref.safetensors", name);
    cso_error error = {0};
    cso_adapter *adapter;
    fixture f = fixture_open(model, 0);
    golden_ok(cso_adapter_read(&adapter, f.model, folder, &error), &error);
    fixture_pairs pairs = fixture_read_pairs(tokenized, 2);
    cso_tree tree;
    golden_ok(cso_tree_build(&tree, pairs.sequences, 2 * pairs.n_pairs, &error), &error);
    float *grads = calloc(adapter->n_params, sizeof *grads);
    step(&f, &tree, adapter, pairs.n_pairs, grads);
    cso_safetensors *file = golden_safetensors(pref);
    double worst = 0;
    size_t matrices = 0;
    cso_trainables trained = cso_adapter_trainables(adapter);
    for (size_t k = 0; k < trained.count; k++) {
        const cso_trainable *item = &trained.items[k];
        static const char before[] = "base_model.model.", after[] = ".weight"; /* which the goldens' names lack */
        char key[2 * CSO_MAX_NAME];
        size_t n;
        snprintf(key, sizeof key, "%s.grad.f64.%s", adapter_name, item->name + strlen(before));
        key[strlen(key) - strlen(after)] = 0;
        double *truth = golden_doubles(file, key, &n), *ours = calloc(n, sizeof *ours);
        assert_int_equal(n, cso_trainable_size(item));
        for (size_t i = 0; i < n; i++)
            ours[i] = (double)grads[item->offset + i];
        double zero = 0;
        for (size_t i = 0; i < n; i++)
            zero += fabs(truth[i]);
        if (zero > 0) { /* A's gradient is zero while B is */
            double relative = golden_relative(ours, truth, n);
            if (!(relative <= worst))
                worst = relative;
            matrices++;
        }
        free(truth);
        free(ours);
    }
    print_message("%-12s %-10s %3zu matrices: gradients within %.1e of TRL's in f64\n", name, adapter_name, matrices, worst);
    assert_true(matrices > 0);
    assert_true(worst <= 1e-4); /* the contract is 1e-3 */
    cso_safetensors_close(file);
    free(grads);
    cso_tree_free(&tree);
    fixture_free_pairs(&pairs);
    cso_adapter_free(adapter);
    fixture_close(&f);
}

static void test_trl(void **state) {
    (void)state;
    const char *adapters[] = {"r4", "r4-rslora", "r4-qv"};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            check_against_trl(families[i], adapters[j]);
}

/* The adapter as read from a folder, with dropout set. */
static cso_adapter *read_adapter(fixture *f, const char *folder, double dropout) {
    cso_error error = {0};
    cso_adapter *adapter;
    golden_ok(cso_adapter_read(&adapter, f->model, folder, &error), &error);
    adapter->options.dropout = dropout;
    return adapter;
}

/* Tree, pair and no sharing give the same loss and gradients. */
static void test_packings(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *model = golden_path("models/%s", families[i]), *folder = golden_path("adapters/%s/r4", families[i]);
        const char *tokenized = golden_path("pref/%s/tokenized.json", families[i]);
        assert_true(model && folder && tokenized);
        cso_error error = {0};
        fixture f = fixture_open(model, 0);
        cso_adapter *adapter = read_adapter(&f, folder, 0);
        double loss[3], *grads[3];
        size_t tokens[3];
        for (int pack = 0; pack < 3; pack++) {
            fixture_pairs pairs = fixture_read_pairs(tokenized, pack);
            cso_tree tree;
            golden_ok(cso_tree_build(&tree, pairs.sequences, 2 * pairs.n_pairs, &error), &error);
            float *g = calloc(adapter->n_params, sizeof *g);
            loss[pack] = step(&f, &tree, adapter, pairs.n_pairs, g);
            tokens[pack] = tree.n_tokens;
            grads[pack] = calloc(adapter->n_params, sizeof **grads);
            for (size_t j = 0; j < adapter->n_params; j++)
                grads[pack][j] = (double)g[j];
            free(g);
            cso_tree_free(&tree);
            fixture_free_pairs(&pairs);
        }
        print_message("%-12s tokens none %zu, pair %zu, tree %zu; loss differs by %.1e, gradients by %.1e\n", families[i],
                      tokens[0], tokens[1], tokens[2], fabs(loss[2] - loss[0]),
                      golden_relative(grads[2], grads[0], adapter->n_params));
        assert_true(tokens[2] < tokens[1] && tokens[1] < tokens[0]);
        for (int pack = 1; pack < 3; pack++) {
            assert_true(fabs(loss[pack] - loss[0]) <= 1e-5);
            assert_true(golden_relative(grads[pack], grads[0], adapter->n_params) <= 1e-5);
        }
        for (int pack = 0; pack < 3; pack++)
            free(grads[pack]);
        cso_adapter_free(adapter);
        fixture_close(&f);
    }
}

/* Same bits whatever the number of threads, and whether activations were kept or computed again. */
static void test_bits(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *model = golden_path("models/%s", families[i]), *folder = golden_path("adapters/%s/r4", families[i]);
        const char *tokenized = golden_path("pref/%s/tokenized.json", families[i]);
        assert_true(model && folder && tokenized);
        cso_error error = {0};
        fixture_pairs pairs = fixture_read_pairs(tokenized, 2);
        cso_tree tree;
        golden_ok(cso_tree_build(&tree, pairs.sequences, 2 * pairs.n_pairs, &error), &error);
        float *first = NULL;
        double first_loss = 0;
        for (int run = 0; run < 5; run++) {
            fixture f = fixture_open(model, run == 4 ? 1 : 0);
            cso_pool_set_threads(f.ctx->pool, run == 0 ? 1 : run == 4 ? 2 : run + 1);
            cso_adapter *adapter = read_adapter(&f, folder, 0.25); /* dropout draws the same masks again, too */
            cso_engine_set_step(f.engine, 7, 3);
            float *g = calloc(adapter->n_params, sizeof *g);
            double loss = step(&f, &tree, adapter, pairs.n_pairs, g);
            assert_int_equal(cso_engine_kept_layers(f.engine), run == 4 ? 0 : f.model->hparams.n_layers);
            if (!first) {
                first = g;
                first_loss = loss;
            } else {
                assert_true(loss == first_loss);
                assert_memory_equal(g, first, adapter->n_params * sizeof *g);
                free(g);
            }
            cso_adapter_free(adapter);
            fixture_close(&f);
        }
        free(first);
        cso_tree_free(&tree);
        fixture_free_pairs(&pairs);
    }
}

/* A weighted sum of edges: the loss of the difference check, in f64. */
static double objective(fixture *f, const cso_tree *tree, const cso_adapter *adapter, const double *weights, bool keep,
                        double *edges) {
    cso_error error = {0};
    golden_ok(cso_engine_forward(f->engine, tree, adapter, keep, edges, &error), &error);
    double sum = 0;
    for (size_t e = 0; e < tree->n_edges; e++)
        sum += weights[e] * edges[e];
    return sum;
}

/* What the difference check sums over: a small forest of two texts that share 20 tokens, one that is a prefix of another, and
 * one apart; edges have random weights. */
typedef struct forest {
    cso_tree tree;
    double *weights, *edges;
} forest;

static forest make_forest(void) {
    cso_error error = {0};
    forest t;
    int32_t ids[60], other[40];
    cso_rng rng = cso_rng_make(3, CSO_STREAM_SAMPLE, 0);
    for (size_t i = 0; i < 60; i++)
        ids[i] = (int32_t)cso_rng_below(&rng, 900);
    memcpy(other, ids, sizeof other);
    other[20] = (ids[20] + 1) % 900;
    cso_sequence sequences[] = {{.ids = ids, .length = 36, .score_start = 10},
                                {.ids = ids, .length = 28, .score_start = 15},
                                {.ids = other, .length = 40, .score_start = 18},
                                {.ids = ids + 40, .length = 20, .score_start = 1}};
    golden_ok(cso_tree_build(&t.tree, sequences, 4, &error), &error);
    t.weights = calloc(t.tree.n_edges, sizeof *t.weights);
    t.edges = calloc(t.tree.n_edges, sizeof *t.edges);
    for (size_t e = 0; e < t.tree.n_edges; e++)
        t.weights[e] = cso_rng_normal(&rng);
    return t;
}

static double norm_of(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* The derivative along an array's gradient g by central differences at two steps (Richardson), which should be its norm. */
static double derivative_along(fixture *f, forest *t, const cso_adapter *adapter, const cso_trainable *item, const float *g) {
    size_t n = cso_trainable_size(item);
    float *x = adapter->params + item->offset, *kept = malloc(n * sizeof *kept);
    memcpy(kept, x, n * sizeof *kept);
    double norm = norm_of(g, n), size = norm_of(x, n), estimate[2];
    for (int k = 0; k < 2; k++) {
        double h = 0.02 * size / (k + 1), value[2];
        for (int sign = 0; sign < 2; sign++) {
            for (size_t i = 0; i < n; i++)
                x[i] = (float)((double)kept[i] + (sign ? -h : h) * (double)g[i] / norm);
            value[sign] = objective(f, &t->tree, adapter, t->weights, true, t->edges);
        }
        estimate[k] = (value[0] - value[1]) / (2 * h);
    }
    memcpy(x, kept, n * sizeof *kept);
    free(kept);
    return (4 * estimate[1] - estimate[0]) / 3;
}

/* Every array of the table: its gradient against central differences. */
static void difference_check(const char *name, double dropout) {
    const char *model = golden_path("models/%s", name), *folder = golden_path("adapters/%s/r4", name);
    cso_error error = {0};
    fixture f = fixture_open(model, 0);
    cso_adapter *adapter = read_adapter(&f, folder, dropout);
    cso_trainables trained = cso_adapter_trainables(adapter);
    forest t = make_forest();
    float *grads = calloc(trained.n_params, sizeof *grads);
    cso_engine_set_step(f.engine, 11, 5);
    objective(&f, &t.tree, adapter, t.weights, true, t.edges);
    golden_ok(cso_engine_backward(f.engine, &t.tree, adapter, t.weights, grads, &error), &error);
    double worst = 0;
    for (size_t k = 0; k < trained.count; k++) {
        const cso_trainable *item = &trained.items[k];
        double norm = norm_of(grads + item->offset, cso_trainable_size(item));
        assert_true(norm > 0);
        double derivative = derivative_along(&f, &t, adapter, item, grads + item->offset);
        double relative = fabs(derivative - norm) / norm;
        if (!(relative <= worst))
            worst = relative;
        if (!(relative <= 2e-3))
            fail_msg("%s: %s: gradient %g, difference %g", name, item->name, norm, derivative);
    }
    print_message("%-12s dropout %.2f: %zu arrays, worst %.1e from central differences\n", name, dropout, trained.count, worst);
    assert_int_equal(trained.count, adapter->n_layers * CSO_MODULE_COUNT * 2);
    free(t.weights);
    free(t.edges);
    free(grads);
    cso_tree_free(&t.tree);
    cso_adapter_free(adapter);
    fixture_close(&f);
}

static void test_differences(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++)
        difference_check(families[i], 0);
    difference_check("llama-tiny", 0.3);
}

/* A tree without a scored edge has no nodes: nothing comes out, and nothing goes back. */
static void test_nothing_scored(void **state) {
    (void)state;
    static const int32_t ids[] = {5, 6, 7, 8, 9};
    for (size_t i = 0; i < 3; i++) {
        const char *model = golden_path("models/%s", families[i]), *folder = golden_path("adapters/%s/r4", families[i]);
        cso_error error = {0};
        fixture f = fixture_open(model, 0);
        cso_adapter *adapter = read_adapter(&f, folder, 0);
        const cso_sequence sequence = {.ids = ids, .length = 5, .score_start = 5};
        cso_tree tree;
        golden_ok(cso_tree_build(&tree, &sequence, 1, &error), &error);
        assert_int_equal(tree.n_nodes, 0);
        float *grads = calloc(adapter->n_params, sizeof *grads);
        double none[1];
        golden_ok(cso_engine_forward(f.engine, &tree, adapter, true, none, &error), &error);
        golden_ok(cso_engine_backward(f.engine, &tree, adapter, none, grads, &error), &error);
        for (size_t j = 0; j < adapter->n_params; j++)
            assert_true(grads[j] == 0);
        free(grads);
        cso_tree_free(&tree);
        cso_adapter_free(adapter);
        fixture_close(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trl), cmocka_unit_test(test_packings), cmocka_unit_test(test_bits),
                                       cmocka_unit_test(test_differences), cmocka_unit_test(test_nothing_scored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
